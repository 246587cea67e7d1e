#include "voice.h"

#include <algorithm>
#include <cmath>

namespace foleyd {

namespace {
constexpr int shortest = 32;   // frames; a shorter loop is a buzz that nobody asked for
}

Span span_of(int frames, float start, float end, float loop_start, float loop_end) {
    const auto at = [frames](float share) {
        return static_cast<int>(std::lround(static_cast<double>(std::clamp(share, 0.0f, 1.0f)) * frames));
    };
    Span span{at(start), at(end), at(loop_start), at(loop_end)};
    if (span.end - span.start < std::min(shortest, frames)) span.start = 0, span.end = frames;
    span.loop_start = std::clamp(span.loop_start, span.start, span.end);
    span.loop_end = std::clamp(span.loop_end, span.start, span.end);
    if (span.loop_end - span.loop_start < shortest) span.loop_start = span.start, span.loop_end = span.end;
    return span;
}

void Voice::begin(Fitted* what, const Span& where, double speed, float loudness, int attack, int smooth) {
    clip = what;
    next = nullptr;
    span = where;
    position = where.start;
    increment = speed;
    velocity_ = loudness;
    smooth_ = std::max(1, smooth);
    if (where.start > 0 || what->abrupt_start) attack = std::max(attack, smooth_ / 4 + 1);
    level_ = attack > 0 ? 0.0f : 1.0f;
    step_ = attack > 0 ? 1.0f / static_cast<float>(attack) : 0.0f;
    tail_ = where.end < what->frames || what->abrupt_end ? std::min(smooth_, (where.end - where.start) / 2) : 0;
    rest_left_ = 0;
    last_[0] = last_[1] = before_[0] = before_[1] = 0.0f;
    state = State::sounding;
}

void Voice::fade(int frames) {
    if (state == State::free) return;
    const float step = -level_ / static_cast<float>(std::max(1, frames));
    // a voice that already fades may only fade faster
    step_ = state == State::fading ? std::min(step_, step) : step;
    if (level_ <= 0.0f) step_ = -1.0f;
    state = State::fading;
}

float Voice::tap(int at, int side) const {
    if (loop && at >= span.loop_end) at = span.loop_start + (at - span.loop_end) % (span.loop_end - span.loop_start);
    return at < 0 || at >= clip->frames ? 0.0f : clip->sides[side][at];
}

// Four-point, third-order Hermite interpolation (Catmull and Rom 1974) between the frames; the frame itself on one.
void Voice::read(float& left, float& right) const {
    const int whole = static_cast<int>(position);
    const float part = static_cast<float>(position - whole);
    float found[2];
    for (int side = 0; side < 2; ++side) {
        const float here = tap(whole, side);
        if (part == 0.0f) {
            found[side] = here;
            continue;
        }
        const float ahead = tap(whole + 1, side);
        const float past = whole > 0 ? tap(whole - 1, side) : 0.0f, later = tap(whole + 2, side);
        const float one = 0.5f * (ahead - past);
        const float two = past - 2.5f * here + 2.0f * ahead - 0.5f * later;
        const float three = 0.5f * (later - past) + 1.5f * (here - ahead);
        found[side] = ((three * part + two) * part + one) * part + here;
    }
    left = found[0];
    right = found[1];
}

// Go back to the loop's start, in the next clip where there is one. What the samples step by there is taken up and
// dies away; a loop that joins by itself is left as it is.
Fitted* Voice::joint() {
    Fitted* given_back = nullptr;
    if (next != nullptr) {
        position = next_span.loop_start + (position - span.loop_end) * (next_increment / increment);
        given_back = clip;
        clip = next;
        span = next_span;
        increment = next_increment;
        next = nullptr;
        if (position >= span.loop_end) position = span.loop_start;
    } else {
        const double length = span.loop_end - span.loop_start;
        position = span.loop_start + std::fmod(position - span.loop_end, length);
    }
    float now[2], after[2];
    read(now[0], now[1]);
    const double kept = position;
    position += increment;
    if (position < span.loop_end) read(after[0], after[1]);
    else after[0] = now[0], after[1] = now[1];
    position = kept;
    bool step = false;
    for (int side = 0; side < 2; ++side) {
        const float slope = std::max(std::abs(last_[side] - before_[side]), std::abs(after[side] - now[side]));
        step = step || std::abs(now[side] - last_[side]) > 2.0f * slope + 0.002f;
    }
    if (step) {
        for (int side = 0; side < 2; ++side) rest_[side] = last_[side] - now[side];
        rest_left_ = smooth_;
    }
    return given_back;
}

Fitted* Voice::add(float* left, float* right, int count, const Ramp& ramp) {
    Fitted* given_back = nullptr;
    for (int k = 0; k < count; ++k) {
        if (step_ > 0.0f) {
            level_ = std::min(1.0f, level_ + step_);
            if (level_ == 1.0f) step_ = 0.0f;
        } else if (step_ < 0.0f) {
            level_ += step_;
            if (level_ <= 1e-6f) {
                state = State::free;
                break;
            }
        }
        if (loop) {
            if (position >= span.loop_end) {
                if (Fitted* old = joint()) given_back = old;
            }
        } else if (position >= span.end) {
            state = State::free;
            break;
        }
        float sample[2];
        read(sample[0], sample[1]);
        if (rest_left_ > 0) {
            const float share = static_cast<float>(rest_left_--) / static_cast<float>(smooth_);
            for (int side = 0; side < 2; ++side) sample[side] += rest_[side] * share * share;
        }
        for (int side = 0; side < 2; ++side) before_[side] = last_[side], last_[side] = sample[side];
        float gain = level_ * velocity_;
        if (tail_ > 0 && !loop) gain *= static_cast<float>(std::min(1.0, (span.end - position) / tail_));
        left[k] += sample[0] * gain * (ramp.left + ramp.step_left * static_cast<float>(k + 1));
        right[k] += sample[1] * gain * (ramp.right + ramp.step_right * static_cast<float>(k + 1));
        position += increment;
    }
    return given_back;
}

}  // namespace foleyd
