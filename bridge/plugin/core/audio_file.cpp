#include "audio_file.h"

#include <sndfile.h>

#include <cmath>
#include <memory>
#include <stdexcept>
#include <vector>

#include "json_text.h"
#include "peer.h"
#include "samples.h"

namespace foleyd {
namespace {

namespace fs = std::filesystem;

struct Close {
    void operator()(SNDFILE* file) const { sf_close(file); }
};
using File = std::unique_ptr<SNDFILE, Close>;

constexpr sf_count_t part = 65536;   // frames at a time

}  // namespace

SoundPtr read_sound_file(const fs::path& path) {
    const auto name = in_quotes(path.filename().string(), 60);
    const auto no = [&](const std::string& why) { return std::invalid_argument(name + " " + why); };
    std::error_code error;
    if (!fs::is_regular_file(path, error)) throw no("is no file that can be read: drop a WAV, FLAC, AIFF or OGG.");
    SF_INFO info{};
    const File file(sf_open(path.string().c_str(), SFM_READ, &info));
    if (!file) throw no("is no audio that can be read: drop a WAV, FLAC, AIFF or OGG.");
    if (info.channels != 1 && info.channels != 2)
        throw no("has " + std::to_string(info.channels) + " channels: mix it to one or two first.");
    if (info.samplerate < least_rate || info.samplerate > most_rate)
        throw no("has a sample rate of " + std::to_string(info.samplerate) + " Hz: convert it to 8000 to 192000 Hz first.");
    // the header's length is only a claim: what comes is counted too
    const auto most = static_cast<sf_count_t>(longest_file * info.samplerate);
    const auto too_long = [&] { return no("is longer than " + std::to_string(static_cast<int>(longest_file)) + " s: cut it first."); };
    if (info.frames > most) throw too_long();
    std::vector<float> sides[2], block(static_cast<std::size_t>(part * info.channels));
    for (;;) {
        const auto count = sf_readf_float(file.get(), block.data(), part);
        if (count <= 0) break;
        if (static_cast<sf_count_t>(sides[0].size()) + count > most) throw too_long();
        for (sf_count_t k = 0; k < count; ++k)
            for (int side = 0; side < info.channels; ++side)
                sides[side].push_back(block[static_cast<std::size_t>(k * info.channels + side)]);
    }
    if (sf_error(file.get()) != SF_ERR_NO_ERROR || static_cast<sf_count_t>(sides[0].size()) < info.frames)
        throw no("is damaged: it ends before its own end.");
    try {
        return make_sound(std::move(sides[0]), std::move(sides[1]), info.samplerate);
    } catch (const std::invalid_argument& why) {
        throw no(std::string("cannot be taken: ") + why.what());
    }
}

void write_sound_file(const fs::path& path, const Sound& sound) {
    const auto beside = path.parent_path() / ("." + draw_id() + ".part");
    std::error_code error;
    bool done = false;
    {
        SF_INFO info{};
        info.samplerate = sound.rate;
        info.channels = sound.channels();
        info.format = SF_FORMAT_WAV | (sound.scale > 1.0f ? SF_FORMAT_FLOAT : SF_FORMAT_PCM_24);
        File file(sf_open(beside.string().c_str(), SFM_WRITE, &info));
        if (file) {
            const bool whole = sound.scale <= 1.0f;
            std::vector<float> loud;
            std::vector<int> steps;   // of 24 bits, in the upper ones: libsndfile's own way from floats is not exact
            for (std::size_t k = 0; k < sound.left.size(); ++k)
                for (const auto* side : {&sound.left, &sound.right}) {
                    if (side->empty()) continue;
                    if (whole) steps.push_back(static_cast<int>(std::lround((*side)[k] * 8388608.0f)) * 256);
                    else loud.push_back((*side)[k]);
                }
            done = (whole ? sf_writef_int(file.get(), steps.data(), sound.frames())
                          : sf_writef_float(file.get(), loud.data(), sound.frames())) == sound.frames();
            done = sf_close(file.release()) == 0 && done;
        }
    }
    if (done) fs::rename(beside, path, error);
    if (done && !error) return;
    fs::remove(beside, error);
    throw std::invalid_argument("cannot write to " + path.parent_path().string() + ": choose a folder with space that may be written.");
}

}  // namespace foleyd
