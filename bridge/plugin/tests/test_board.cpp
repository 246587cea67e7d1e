#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "board.h"
#include "stage.h"

using foleyd::Board;
using foleyd::Json;

namespace {

std::shared_ptr<foleyd::Link> nobody() {
    return std::make_shared<foleyd::Link>([] { return std::filesystem::path("/nonexistent/foleyd.json"); });
}

std::vector<float> played(Board& board, int pad) {
    std::vector<std::vector<float>> sides(16, std::vector<float>(4000));
    float* outputs[16];
    for (std::size_t k = 0; k < 16; ++k) outputs[k] = sides[k].data();
    const auto note = stage::on(17, pad);
    board.engine.process(&note, 1, {}, outputs, 4000);
    auto both = sides[0];
    both.insert(both.end(), sides[1].begin(), sides[1].end());
    return both;
}

}  // namespace

TEST_CASE("a state in a fresh board is the same state and sounds the same, at its own rate and at others") {
    const auto link = nobody();
    for (const int rate : {44100, 48000}) {
        Board one(link), other(link);
        one.prepare(48000);
        one.put(5, foleyd::make_sound(stage::sine(3000), stage::sine(3000, 700), rate, "clip-7"));
        one.engine.pads[5].set(foleyd::Field::gain, -3);
        one.engine.pads[5].set(foleyd::Field::start, 0.1f);
        one.set_recipe(5, {{"prompt", "glass br\xc3\xa4king"}, {"seed", 4}, {"seconds", 0.5}, {"path", "/etc"}});
        one.chosen = 5;
        const auto state = one.save();
        other.prepare(96000);   // and back: the clip is kept at its own rate
        other.load(state.data(), state.size());
        other.prepare(48000);
        CHECK(other.save() == state);
        CHECK(played(other, 5) == played(one, 5));
        CHECK(stage::sine(1) != played(one, 5));
        CHECK(other.view(5).sound->left == one.view(5).sound->left);
        CHECK_FALSE(other.view(5).recipe.contains("path"));
        CHECK(other.chosen == 5);
    }
}

TEST_CASE("references hold no samples of what a library has, and are not lost while it is away") {
    const auto link = nobody();
    Board one(link), other(link);
    one.put(0, foleyd::make_sound(stage::sine(30000), {}, 48000, "clip-7"));
    one.put(1, foleyd::make_sound(stage::sine(3000), {}, 48000));   // in no library
    const auto whole = one.save().size();
    one.references = true;
    const auto state = one.save();
    CHECK(state.size() < whole);
    other.load(state.data(), state.size());
    CHECK(other.view(0).wanted == "clip-7");
    CHECK(other.view(1).sound != nullptr);
    CHECK(other.save() == state);
}

TEST_CASE("a damaged state changes nothing, whatever is damaged") {
    const auto link = nobody();
    Board one(link);
    one.put(2, foleyd::make_sound(stage::sine(2000), {}, 48000, "clip-1"));
    const auto state = one.save();
    std::mt19937 draw(3);
    int refused = 0;
    for (int round = 0; round < 200; ++round) {
        auto bytes = state;
        if (round % 2 == 0) bytes.resize(draw() % bytes.size());
        else bytes[draw() % bytes.size()] ^= static_cast<std::uint8_t>(1 + draw() % 255);
        Board other(link);
        try {
            other.load(bytes.data(), bytes.size());
        } catch (const std::invalid_argument&) {
            ++refused;
            CHECK(other.view(2).sound == nullptr);
        }
    }
    CHECK(refused > 100);
}

TEST_CASE("a locked seed stays, also in a session opened again, and an unlocked one is drawn") {
    const auto link = nobody();
    Board board(link), other(link);
    board.set_recipe(0, {{"prompt", "rain"}, {"seed", 4}});
    board.lock(0, true);
    board.request(0);
    CHECK(board.view(0).recipe["seed"] == 4);
    CHECK(board.view(0).recipes == 0);
    const auto state = board.save();
    other.load(state.data(), state.size());
    CHECK(other.view(0).locked);
    CHECK(other.view(0).recipes == 1);
    other.lock(0, false);
    other.request(0);
    const Json first = other.view(0).recipe["seed"];
    other.request(0);
    CHECK(other.view(0).recipe["seed"] != first);
    CHECK(other.view(0).recipes == 3);
    const auto unlocked = other.save();
    board.load(unlocked.data(), unlocked.size());   // it has a seed, and no lock all the same
    CHECK_FALSE(board.view(0).locked);
    CHECK(board.view(0).recipe["seed"] == other.view(0).recipe["seed"]);
}

TEST_CASE("an order without a daemon fails with a sentence, and what was on the pad still plays") {
    const auto link = nobody();
    Board board(link);
    board.prepare(48000);
    board.put(0, foleyd::make_sound(stage::sine(3000), {}, 48000));
    board.set_recipe(0, {{"prompt", "rain"}});
    while (board.link_state().light != foleyd::Light::red) std::this_thread::yield();
    board.request(0);
    while (board.view(0).failure.empty()) std::this_thread::yield();
    CHECK(board.view(0).failure.find("foleyd serve") != std::string::npos);
    CHECK_FALSE(board.view(0).progress.under_way);
    CHECK(played(board, 0)[17 + 125] != 0.0f);
}
