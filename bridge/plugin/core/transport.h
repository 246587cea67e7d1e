// The host's musical time, and where its beats and bars fall in a block.
#pragma once

#include <cmath>

#include "settings.h"

namespace foleyd {

// At the first frame of a block. Positions are in quarter notes.
struct Transport {
    bool playing = false;
    double bpm = 120.0;
    double position = 0.0;
    double bar_start = 0.0;   // of the bar that `position` lies in
    int beats = 4, beat_type = 4;
};

// Frames from the block's start to the next quantum at or behind `frame`; `frame` itself where nothing is waited
// for: transport stopped, quantum off, or a host that tells nonsense.
inline double next_quantum(const Transport& time, Quantum quantum, double frame, double rate) {
    if (!time.playing || quantum == Quantum::off) return frame;
    if (!(time.bpm > 1.0 && time.bpm < 10000.0) || !std::isfinite(time.position) || !(rate > 0.0)) return frame;
    const double beat = 4.0 / (time.beat_type > 0 ? time.beat_type : 4);
    const double bar = beat * (time.beats > 0 ? time.beats : 4);
    double unit = beat, anchor = std::isfinite(time.bar_start) ? time.bar_start : 0.0;
    if (quantum != Quantum::beat) {
        const int bars = 1 << (static_cast<int>(quantum) - static_cast<int>(Quantum::bar));
        unit = bar * bars;
        // longer spans count from the song's first bar
        const double index = std::round(anchor / bar);
        anchor -= bar * (index - std::floor(index / bars) * bars);
    }
    const double quarters_per_frame = time.bpm / (60.0 * rate);
    const double here = time.position + frame * quarters_per_frame - anchor;
    const double least = 0.001 * quarters_per_frame;   // a thousandth of a frame late is on time
    const double target = std::ceil((here - least) / unit) * unit;
    const double frames = frame + (target - here) / quarters_per_frame;
    return frames < frame ? frame : std::ceil(frames - 0.001);
}

}  // namespace foleyd
