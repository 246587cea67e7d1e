#include <doctest/doctest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <random>

#include <sodium.h>

#include "peer.h"
#include "samples.h"

using namespace foleyd;

namespace {

std::string bytes_of(const std::vector<float>& samples) {
    std::string made(samples.size() * sizeof(float), '\0');
    std::memcpy(made.data(), samples.data(), made.size());
    return made;
}

Json described(const std::string& bytes, int channels = 1) {
    return {{"buffers", {{{"kind", "clip"}, {"length", bytes.size()}, {"sha256", hex_digest(bytes)}, {"id", "c1"},
                          {"format", "<f4"}, {"channels", channels}, {"rate", 16000},
                          {"frames", bytes.size() / sizeof(float) / static_cast<std::size_t>(channels)}}}}};
}

}  // namespace

TEST_CASE("a message comes back as it was packed, and under another key not at all") {
    REQUIRE(sodium_init() >= 0);
    const auto frames = pack("secret", draw_id(), "m1", "info_request", {{"role", "plugin"}});
    const auto back = unpack("secret", frames);
    CHECK(back.type == "info_request");
    CHECK(back.content == Json{{"role", "plugin"}});
    CHECK_THROWS_AS(unpack("other", frames), std::invalid_argument);
    CHECK(hex_digest("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_CASE("no frames of any kind do harm") {
    std::mt19937 draw(5);
    for (int round = 0; round < 10000; ++round) {
        auto frames = pack("k", "s", "m", "t", {{"a", 1}});
        auto& frame = frames[draw() % frames.size()];
        switch (draw() % 4) {
            case 0: frame.resize(draw() % (frame.size() + 1)); break;
            case 1: if (!frame.empty()) frame[draw() % frame.size()] ^= static_cast<char>(1 + draw() % 255); break;
            case 2: frames.resize(draw() % frames.size()); break;
            default: frame = std::string(draw() % 500, '[');
        }
        try {
            const auto message = unpack("k", frames);
            CHECK(message.content == Json{{"a", 1}});   // nothing was changed after all
        } catch (const std::invalid_argument&) {
        }
    }
}

TEST_CASE("samples that are not what was described, or no numbers, are refused") {
    const auto good = bytes_of({0.0f, 0.5f, -0.25f, 0.125f});
    const auto stereo = clips_of(described(good, 2), {good});
    REQUIRE(stereo.size() == 1);
    CHECK(stereo[0]->left == std::vector<float>{0.0f, 0.5f});
    CHECK(stereo[0]->right == std::vector<float>{-0.25f, 0.125f});
    CHECK(stereo[0]->id == "c1");
    auto changed = good;
    changed[3] ^= 1;
    CHECK_THROWS_AS(clips_of(described(good), {changed}), std::invalid_argument);
    CHECK_THROWS_AS(clips_of(described(good), {}), std::invalid_argument);
    CHECK_THROWS_AS(clips_of(Json::object(), {good}), std::invalid_argument);
    for (const auto& [field, value] : std::vector<std::pair<const char*, Json>>{
             {"channels", 3}, {"channels", "2"}, {"rate", 1}, {"rate", 1e300}, {"frames", 1e18}, {"frames", -4},
             {"length", 1 << 30}, {"format", "file"}, {"kind", "take"}}) {
        auto told = described(good);
        told["buffers"][0][field] = value;
        CAPTURE(field);
        if (std::string(field) == "channels" && value == "2") continue;   // read as missing: one channel
        CHECK_THROWS_AS(clips_of(told, {good}), std::invalid_argument);
    }
    for (const float wrong : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), 1e9f}) {
        const auto bytes = bytes_of({0.0f, wrong});
        CHECK_THROWS_AS(clips_of(described(bytes), {bytes}), std::invalid_argument);
    }
}

TEST_CASE("a connection file is believed only if it is the owner's, whole and of this machine") {
    namespace fs = std::filesystem;
    const auto path = fs::temp_directory_path() / ("foleyd-" + draw_id() + ".json");
    const auto with = [&](const std::string& text, fs::perms perms = fs::perms::owner_read | fs::perms::owner_write) {
        std::ofstream(path, std::ios::trunc) << text;
        fs::permissions(path, perms);
        return path;
    };
    const std::string good = R"({"ip":"127.0.0.1","shell_port":1,"iopub_port":2,"key":"k"})";
    CHECK(read_connection(with(good)) == Peer{"tcp://127.0.0.1:1", "tcp://127.0.0.1:2", "k"});
    for (const auto* bad : {"", "[", "[]", R"({"ip":"10.0.0.1","shell_port":1,"iopub_port":2,"key":"k"})",
                            R"({"ip":"127.0.0.1","shell_port":0,"iopub_port":2,"key":"k"})",
                            R"({"ip":"127.0.0.1","shell_port":1,"iopub_port":2,"key":""})"})
        CHECK_THROWS_AS(read_connection(with(bad)), Unreachable);
    CHECK_THROWS_AS(read_connection(with(good, fs::perms::owner_read | fs::perms::others_read)), Unreachable);
    fs::remove(path);
    CHECK_THROWS_AS(read_connection(path), Unreachable);
}

TEST_CASE("samples that are sent are those of a clip that comes, described alike") {
    const auto sound = make_sound({0.5f, -0.25f, 0.0f}, {0.125f, 0.0f, 2.0f}, 44100);
    const auto samples = samples_of(*sound);
    CHECK(samples.size() == size_of_samples(*sound));
    const auto told = buffer_info(*sound, samples, "clip", "c1");
    const auto back = clips_of(Json{{"buffers", Json::array({told})}}, {samples});
    CHECK(back.at(0)->left == sound->left);
    CHECK(back.at(0)->right == sound->right);
    CHECK(back.at(0)->rate == 44100);
    CHECK(back.at(0)->id == "c1");
    CHECK(told["format"] == "<f4");
}
