// The host's tempo as recipes have it: lengths in bars, and words that say how fast.
#pragma once

#include <string>

#include "peer.h"

namespace foleyd {

struct Tempo {
    double bpm = 120.0;   // quarter notes a minute
    int beats = 4, beat_type = 4;
};

// `recipe` as it is asked for: `bars` get the tempo, and with `words` the prompt says it, each part of a mixture too.
Json in_tempo(Json recipe, const Tempo& tempo, bool words);

// How long so many bars last, in seconds.
double seconds_of(double bars, const Tempo& tempo);

}  // namespace foleyd
