#include "samples.h"

#include <soxr.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "flac.h"

namespace foleyd {

namespace {

constexpr float full = 8388608.0f;   // 2^23

// On the grid of 24 bits, so that what is heard now is what a reopened session plays.
float quantise(std::vector<float>& left, std::vector<float>& right) {
    float peak = 0.0f;
    for (const auto* side : {&left, &right})
        for (const float sample : *side) {
            if (!std::isfinite(sample)) throw std::invalid_argument("the sound holds values that are no numbers.");
            peak = std::max(peak, std::abs(sample));
        }
    if (peak > 1024.0f) throw std::invalid_argument("the sound is more than a thousand times too loud.");
    float scale = 1.0f;
    while (peak / scale * full > full - 1.0f) scale *= 2.0f;
    for (auto* side : {&left, &right})
        for (float& sample : *side) sample = std::nearbyint(sample / scale * full) / full * scale;
    return scale;
}

std::vector<float> resample(const std::vector<float>& samples, double from, double to) {
    const auto wanted = static_cast<std::size_t>(std::ceil(static_cast<double>(samples.size()) * to / from));
    std::vector<float> made(wanted + 16);
    const soxr_io_spec_t io = soxr_io_spec(SOXR_FLOAT32_I, SOXR_FLOAT32_I);
    const soxr_quality_spec_t quality = soxr_quality_spec(SOXR_VHQ, 0);
    std::size_t used = 0, done = 0;
    const soxr_error_t error = soxr_oneshot(from, to, 1, samples.data(), samples.size(), &used, made.data(), made.size(),
                                            &done, &io, &quality, nullptr);
    if (error != nullptr) throw std::runtime_error(std::string("the sound could not be resampled: ") + soxr_strerror(error));
    made.resize(std::min(done, wanted));
    return made;
}

bool loud(const std::vector<float>& side, bool at_end) {
    return !side.empty() && std::abs(at_end ? side.back() : side.front()) > 0.01f;
}

}  // namespace

SoundPtr make_sound(std::vector<float> left, std::vector<float> right, int rate, std::string id) {
    if (left.empty()) throw std::invalid_argument("the sound has no samples.");
    if (!right.empty() && right.size() != left.size()) throw std::invalid_argument("its channels differ in length.");
    if (left.size() > most_frames) throw std::invalid_argument("the sound is too long.");
    if (rate < least_rate || rate > most_rate) throw std::invalid_argument("its sample rate is out of range.");
    auto made = std::make_shared<Sound>();
    made->rate = rate;
    made->id = std::move(id);
    made->scale = quantise(left, right);
    made->left = std::move(left);
    made->right = std::move(right);
    made->flac = encode_flac(*made);
    return made;
}

std::unique_ptr<Fitted> fit(const SoundPtr& sound, double rate) {
    auto fitted = std::make_unique<Fitted>();
    if (!sound) return fitted;
    fitted->source = sound;
    const bool stereo = sound->channels() == 2;
    if (rate == sound->rate) {
        fitted->sides[0] = sound->left.data();
        fitted->sides[1] = stereo ? sound->right.data() : sound->left.data();
        fitted->frames = sound->frames();
    } else {
        fitted->left = resample(sound->left, sound->rate, rate);
        if (stereo) fitted->right = resample(sound->right, sound->rate, rate);
        fitted->sides[0] = fitted->left.data();
        fitted->sides[1] = stereo ? fitted->right.data() : fitted->left.data();
        fitted->frames = static_cast<int>(fitted->left.size());
    }
    fitted->rate = rate;
    fitted->abrupt_start = loud(sound->left, false) || loud(sound->right, false);
    fitted->abrupt_end = loud(sound->left, true) || loud(sound->right, true);
    return fitted;
}

}  // namespace foleyd
