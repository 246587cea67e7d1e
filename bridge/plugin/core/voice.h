// One press of a pad while it sounds.
#pragma once

#include <cstdint>

#include "sound.h"

namespace foleyd {

// Where in a clip a voice plays, in frames of the clip.
struct Span {
    int start = 0, end = 0;             // plays [start, end)
    int loop_start = 0, loop_end = 0;   // and goes from loop_end back to loop_start while it loops
};

// The span that shares of a clip's length stand for; never empty for a clip that is not.
Span span_of(int frames, float start, float end, float loop_start, float loop_end);

// The level of a pad on the two sides over a stretch of frames, shared by its voices.
struct Ramp {
    float left = 1, right = 1, step_left = 0, step_right = 0;
};

// Fades and joints: a voice never steps. It fades in where it does not start from the clip's own silence, fades out
// where the clip is cut, and at a loop's joint what is left of a step dies away within `smooth` frames.
class Voice {
public:
    enum class State : std::uint8_t { free, sounding, fading };

    State state = State::free;
    bool loop = false, held = false;
    int pad = 0, note = 0, pair = 0;
    int release = 0;                 // frames
    std::uint64_t order = 0;
    Fitted* clip = nullptr;
    Fitted* next = nullptr;          // takes over at the loop's joint
    Span span, next_span;
    double position = 0, increment = 1, next_increment = 1;

    void begin(Fitted* what, const Span& where, double speed, float loudness, int attack, int smooth);
    void fade(int frames);
    bool free() const { return state == State::free; }

    // Add `count` frames to the two sides. Ends the voice (state free) when nothing more comes of it. Returns a clip
    // that it no longer needs, or null.
    Fitted* add(float* left, float* right, int count, const Ramp& ramp);

private:
    float tap(int at, int side) const;
    void read(float& left, float& right) const;
    Fitted* joint();

    float level_ = 0, step_ = 0, velocity_ = 1;
    int smooth_ = 96, tail_ = 0;
    float last_[2] = {0, 0}, before_[2] = {0, 0};
    float rest_[2] = {0, 0};         // of the step at the last joint
    int rest_left_ = 0;
};

}  // namespace foleyd
