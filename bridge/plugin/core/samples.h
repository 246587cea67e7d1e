// Samples into sounds, and sounds to the host's rate. Never on the audio thread: these allocate and take time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sound.h"

namespace foleyd {

// A sound of one or two channels (`right` empty for one). Throws std::invalid_argument, with a sentence for the user,
// for samples that are no sound: none, too many, unequal channels, not finite, an impossible rate.
SoundPtr make_sound(std::vector<float> left, std::vector<float> right, int rate, std::string id = {});

// A sound ready to be played at `rate` Hz; by libsoxr's "very high quality" where the rates differ. An empty one for null.
std::unique_ptr<Fitted> fit(const SoundPtr& sound, double rate);

}  // namespace foleyd
