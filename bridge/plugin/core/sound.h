// A clip's samples, and the same made fit to be played at the host's sample rate.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace foleyd {

inline constexpr int least_rate = 8000;
inline constexpr int most_rate = 192000;
// Thirty seconds at 192 kHz, which is the longest that the daemon makes; files that are dropped in may be longer.
inline constexpr std::size_t most_frames = std::size_t{192000} * 120;

// Samples that never change: one or two channels of equal length, finite, on the grid of 24 bits (times `scale`),
// so that FLAC gives back the very same. Made by make_sound or decode_flac alone.
struct Sound {
    int rate = 48000;
    float scale = 1.0f;  // a power of two: what FLAC's full scale stands for
    std::string id;      // of the library's clip; empty for audio that came from elsewhere
    std::vector<float> left, right;      // `right` is empty for one channel
    std::vector<std::uint8_t> flac;      // the same, encoded
    int frames() const { return static_cast<int>(left.size()); }
    int channels() const { return right.empty() ? 1 : 2; }
};

using SoundPtr = std::shared_ptr<const Sound>;

// A sound at a rate that voices can read. The audio thread alone touches `users`; whoever made it does not know
// it any more once it was handed over, and the engine gives it back to be freed elsewhere.
struct Fitted {
    SoundPtr source;                  // keeps the samples alive where no other rate was needed
    std::vector<float> left, right;   // own samples where one was
    const float* sides[2] = {nullptr, nullptr};
    int frames = 0;
    double rate = 48000.0;
    bool abrupt_start = false;        // the first sample is far from zero: fade it in
    bool abrupt_end = false;
    int users = 0;
    Fitted* next = nullptr;           // in the list of those to be freed
};

}  // namespace foleyd
