#include <doctest/doctest.h>

#include <random>
#include <stdexcept>

#include "flac.h"
#include "stage.h"

TEST_CASE("what FLAC gives back is what went in, bit for bit, at any rate and level") {
    std::mt19937 draw(7);
    std::normal_distribution<float> noise(0.0f, 0.4f);
    for (const int rate : {8000, 44100, 48000, 96000, 191999}) {
        std::vector<float> left(10001), right(10001);
        for (auto& sample : left) sample = noise(draw);   // beyond full scale here and there
        for (auto& sample : right) sample = noise(draw) * 9.0f;
        const auto sound = foleyd::make_sound(left, right, rate, "clip-1");
        const auto back = foleyd::decode_flac(sound->flac.data(), sound->flac.size(), sound->scale, "clip-1");
        CHECK(back->left == sound->left);
        CHECK(back->right == sound->right);
        CHECK(back->rate == rate);
        CHECK(std::abs(sound->left[17] - left[17]) < 1e-5f);
    }
    const auto mono = foleyd::make_sound(stage::sine(300), {}, 48000);
    CHECK(foleyd::decode_flac(mono->flac.data(), mono->flac.size(), mono->scale, "")->channels() == 1);
}

TEST_CASE("damaged files are refused, whatever is damaged") {
    const auto sound = foleyd::make_sound(stage::sine(9000), {}, 48000);
    std::mt19937 draw(11);
    int refused = 0;
    for (int round = 0; round < 300; ++round) {
        auto bytes = sound->flac;
        if (round % 3 == 0) bytes.resize(draw() % bytes.size());
        else bytes[draw() % bytes.size()] ^= static_cast<std::uint8_t>(1 + draw() % 255);
        try {
            const auto back = foleyd::decode_flac(bytes.data(), bytes.size(), 1.0f, "");
            CHECK(back->frames() > 0);
        } catch (const std::invalid_argument&) {
            ++refused;
        }
    }
    CHECK(refused > 200);
    CHECK_THROWS_AS(foleyd::decode_flac(nullptr, 0, 1.0f, ""), std::invalid_argument);
    CHECK_THROWS_AS(foleyd::decode_flac(sound->flac.data(), sound->flac.size(), 3.0f, ""), std::invalid_argument);
}
