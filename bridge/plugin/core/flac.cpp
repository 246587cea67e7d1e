#include "flac.h"

#include <FLAC/stream_decoder.h>
#include <FLAC/stream_encoder.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <stdexcept>

namespace foleyd {

namespace {

constexpr float full = 8388608.0f;   // 2^23
constexpr unsigned block = 4096;

struct Sink {
    std::vector<std::uint8_t> bytes;
    std::size_t at = 0;
};

FLAC__StreamEncoderWriteStatus write(const FLAC__StreamEncoder*, const FLAC__byte bytes[], size_t count, uint32_t,
                                     uint32_t, void* client) {
    auto& sink = *static_cast<Sink*>(client);
    if (sink.at + count > sink.bytes.size()) sink.bytes.resize(sink.at + count);
    std::memcpy(sink.bytes.data() + sink.at, bytes, count);
    sink.at += count;
    return FLAC__STREAM_ENCODER_WRITE_STATUS_OK;
}

// The encoder goes back to fill in lengths and its checksum.
FLAC__StreamEncoderSeekStatus seek(const FLAC__StreamEncoder*, FLAC__uint64 to, void* client) {
    static_cast<Sink*>(client)->at = static_cast<std::size_t>(to);
    return FLAC__STREAM_ENCODER_SEEK_STATUS_OK;
}

FLAC__StreamEncoderTellStatus tell(const FLAC__StreamEncoder*, FLAC__uint64* at, void* client) {
    *at = static_cast<Sink*>(client)->at;
    return FLAC__STREAM_ENCODER_TELL_STATUS_OK;
}

struct Source {
    const std::uint8_t* data;
    std::size_t size, at = 0;
    float scale;
    Sound sound;
    bool broken = false;
};

FLAC__StreamDecoderReadStatus read(const FLAC__StreamDecoder*, FLAC__byte into[], size_t* count, void* client) {
    auto& source = *static_cast<Source*>(client);
    const std::size_t part = std::min(*count, source.size - source.at);
    if (part > 0) std::memcpy(into, source.data + source.at, part);
    source.at += part;
    *count = part;
    return part == 0 ? FLAC__STREAM_DECODER_READ_STATUS_END_OF_STREAM : FLAC__STREAM_DECODER_READ_STATUS_CONTINUE;
}

FLAC__StreamDecoderWriteStatus take(const FLAC__StreamDecoder*, const FLAC__Frame* frame, const FLAC__int32* const sides[],
                                    void* client) {
    auto& source = *static_cast<Source*>(client);
    auto& sound = source.sound;
    const auto& header = frame->header;
    const bool first = sound.left.empty();
    if (first) sound.rate = static_cast<int>(header.sample_rate);
    const bool stereo = header.channels == 2;
    if (header.channels > 2 || header.bits_per_sample != 24 || static_cast<int>(header.sample_rate) != sound.rate ||
        (!first && stereo == sound.right.empty()) || sound.left.size() + header.blocksize > most_frames) {
        source.broken = true;
        return FLAC__STREAM_DECODER_WRITE_STATUS_ABORT;
    }
    for (unsigned side = 0; side < header.channels; ++side) {
        auto& into = side == 0 ? sound.left : sound.right;
        for (unsigned k = 0; k < header.blocksize; ++k)
            into.push_back(static_cast<float>(sides[side][k]) / full * source.scale);
    }
    return FLAC__STREAM_DECODER_WRITE_STATUS_CONTINUE;
}

void complain(const FLAC__StreamDecoder*, FLAC__StreamDecoderErrorStatus, void* client) {
    static_cast<Source*>(client)->broken = true;
}

void need(bool done) {
    if (!done) throw std::runtime_error("the sound could not be written as FLAC.");
}

}  // namespace

std::vector<std::uint8_t> encode_flac(const Sound& sound) {
    const std::unique_ptr<FLAC__StreamEncoder, decltype(&FLAC__stream_encoder_delete)> encoder(
        FLAC__stream_encoder_new(), &FLAC__stream_encoder_delete);
    need(encoder != nullptr);
    const auto channels = static_cast<unsigned>(sound.channels());
    FLAC__stream_encoder_set_channels(encoder.get(), channels);
    FLAC__stream_encoder_set_bits_per_sample(encoder.get(), 24);
    FLAC__stream_encoder_set_sample_rate(encoder.get(), static_cast<unsigned>(sound.rate));
    FLAC__stream_encoder_set_compression_level(encoder.get(), 5);
    FLAC__stream_encoder_set_streamable_subset(encoder.get(), false);   // any rate
    FLAC__stream_encoder_set_total_samples_estimate(encoder.get(), sound.left.size());
    Sink sink;
    need(FLAC__stream_encoder_init_stream(encoder.get(), write, seek, tell, nullptr, &sink) ==
         FLAC__STREAM_ENCODER_INIT_STATUS_OK);
    std::vector<FLAC__int32> part(std::size_t{block} * channels);
    for (std::size_t at = 0; at < sound.left.size(); at += block) {
        const std::size_t count = std::min<std::size_t>(block, sound.left.size() - at);
        for (std::size_t k = 0; k < count; ++k)
            for (unsigned side = 0; side < channels; ++side) {
                const float sample = (side == 0 ? sound.left : sound.right)[at + k];
                part[k * channels + side] = static_cast<FLAC__int32>(std::lrint(sample / sound.scale * full));
            }
        need(FLAC__stream_encoder_process_interleaved(encoder.get(), part.data(), static_cast<unsigned>(count)));
    }
    need(FLAC__stream_encoder_finish(encoder.get()));
    return std::move(sink.bytes);
}

SoundPtr decode_flac(const std::uint8_t* data, std::size_t size, float scale, std::string id) {
    int exponent = 0;
    if (!std::isfinite(scale) || std::frexp(scale, &exponent) != 0.5f || scale < 1.0f || scale > 2048.0f)
        throw std::invalid_argument("a clip in the session has an impossible level.");
    const std::unique_ptr<FLAC__StreamDecoder, decltype(&FLAC__stream_decoder_delete)> decoder(
        FLAC__stream_decoder_new(), &FLAC__stream_decoder_delete);
    if (decoder == nullptr) throw std::runtime_error("FLAC could not be started.");
    FLAC__stream_decoder_set_md5_checking(decoder.get(), true);
    Source source{data, size, 0, scale, {}, false};
    bool good = FLAC__stream_decoder_init_stream(decoder.get(), read, nullptr, nullptr, nullptr, nullptr, take, nullptr,
                                                 complain, &source) == FLAC__STREAM_DECODER_INIT_STATUS_OK;
    good = good && FLAC__stream_decoder_process_until_end_of_stream(decoder.get());
    good = FLAC__stream_decoder_finish(decoder.get()) && good;   // false where the checksum differs
    auto& sound = source.sound;
    if (!good || source.broken || sound.left.empty() || sound.rate < least_rate || sound.rate > most_rate)
        throw std::invalid_argument("a clip in the session is damaged.");
    sound.scale = scale;
    sound.id = std::move(id);
    sound.flac.assign(data, data + size);
    return std::make_shared<const Sound>(std::move(sound));
}

}  // namespace foleyd
