#include <doctest/doctest.h>

#include <filesystem>

#include "board.h"
#include "stage.h"

using namespace foleyd;

namespace {

std::shared_ptr<Link> nobody() {
    return std::make_shared<Link>([] { return std::filesystem::path("/nonexistent/foleyd.json"); });
}

PadState state(int pad, SoundPtr sound = nullptr) {
    PadState made;
    made.pad = pad;
    made.sound = std::move(sound);
    return made;
}

int steps(History& history) {
    int found = 0;
    while (history.undo(state(0))) ++found;
    return found;
}

}  // namespace

TEST_CASE("settings and clips come back step by step, and go forth again until something else is changed") {
    Board board(nobody());
    const auto one = make_sound(stage::sine(300), {}, 48000, "a"), two = make_sound(stage::sine(500), {}, 48000, "b");
    board.put(3, one);
    board.set(3, Field::gain, -6);
    board.set(3, Field::pan, 0.5f);
    board.set(3, Field::pan, 0.5f);   // no change
    board.put(3, two);
    board.undo();
    CHECK(board.view(3).sound == one);
    CHECK(board.chosen == 3);
    board.undo();
    CHECK(board.engine.pads[3].get(Field::pan) == 0.0f);
    board.undo();
    CHECK(board.engine.pads[3].get(Field::gain) == 0.0f);
    board.redo();
    board.redo();
    CHECK(board.engine.pads[3].get(Field::gain) == -6.0f);
    CHECK(board.engine.pads[3].get(Field::pan) == 0.5f);
    CHECK(board.view(3).sound == one);
    board.redo();
    CHECK(board.view(3).sound == two);
    CHECK_FALSE(board.can_redo());
    board.undo();
    board.set(3, Field::tune, 2);
    CHECK_FALSE(board.can_redo());
    board.undo();
    board.undo();
    board.undo();
    board.undo();
    CHECK(board.view(3).sound == nullptr);
    CHECK_FALSE(board.can_undo());
    board.undo();   // nothing, and no harm
}

TEST_CASE("takes that arrive are a step, with the row of takes and what made each") {
    Board board(nobody());
    const auto one = make_sound(stage::sine(300), {}, 48000, "a"), two = make_sound(stage::sine(500), {}, 48000, "b");
    board.arrived(0, {one, two}, {{{"seed", 1}, {"recipe", {{"prompt", "x"}, {"seed", 1}}}}, {{"seed", 2}}});
    CHECK(board.view(0).made["seed"] == 1);
    board.pick(0, 1);
    board.pick(0, 1);   // it is there already
    CHECK(board.view(0).made.empty());
    board.arrived(0, {two}, Json::array());
    board.undo();
    CHECK(board.view(0).candidates.size() == 2);
    CHECK(board.view(0).sound == two);
    board.undo();
    CHECK(board.view(0).sound == one);
    CHECK(board.view(0).made["seed"] == 1);
    board.undo();
    CHECK(board.view(0).candidates.empty());
    CHECK(board.view(0).sound == nullptr);
}

TEST_CASE("what made a clip stays in the session, and its history does not") {
    const auto link = nobody();
    Board one(link), other(link);
    one.arrived(0, {make_sound(stage::sine(300), {}, 48000, "a")}, {{{"seed", 1}, {"recipe", {{"prompt", "x"}, {"seed", 1}}}}});
    one.set_recipe(0, {{"prompt", "x"}, {"bars", 2}, {"seconds", 3}});
    one.say_tempo(0, true);
    const auto saved = one.save();
    other.set(0, Field::gain, -3);
    other.load(saved.data(), saved.size());
    CHECK(other.view(0).made == Json{{"prompt", "x"}, {"seed", 1}});
    CHECK(other.view(0).recipe == Json{{"prompt", "x"}, {"bars", 2}});
    CHECK(other.view(0).tempo_words);
    CHECK_FALSE(other.can_undo());
    CHECK(other.save() == saved);
}

TEST_CASE("a drag is one step, and the history is bounded in steps and bytes") {
    History history;
    for (int k = 0; k < 50; ++k) history.keep(state(0), Field::gain, 10 + k * 0.5);
    CHECK(steps(history) == 1);
    history.clear();
    history.keep(state(0), Field::gain, 10);
    history.keep(state(1), Field::gain, 10.1);   // another pad
    history.keep(state(1), Field::pan, 10.2);    // another field
    history.keep(state(1), Field::pan, 12.0);    // later
    CHECK(steps(history) == 4);
    history.clear();
    for (int k = 0; k < 300; ++k) history.keep(state(0), Field::count, k);
    CHECK(steps(history) == static_cast<int>(History::most_steps));
    history.clear();
    const auto heavy = [] {
        auto sound = std::make_shared<Sound>();
        sound->left.resize(History::most_bytes / sizeof(float) / 4);
        return sound;
    };
    for (int k = 0; k < 10; ++k) history.keep(state(0, heavy()), Field::count, k);
    CHECK(steps(history) == 4);
}

TEST_CASE("words that a clip of the library brought go with it") {
    Board board(nobody());
    const Json infos = {{{"recipe", {{"prompt", "rain"}, {"seed", 1}}}}};
    board.arrived(0, {make_sound(stage::sine(300), {}, 48000, "a")}, infos);
    CHECK(board.view(0).recipe["prompt"] == "rain");
    board.undo();
    CHECK(board.view(0).sound == nullptr);
    CHECK(board.view(0).recipe.empty());
    board.redo();
    CHECK(board.view(0).recipe["prompt"] == "rain");
    board.set_recipe(0, {{"prompt", "fire"}});
    board.arrived(0, {make_sound(stage::sine(500), {}, 48000, "b")}, infos);
    board.undo();
    CHECK(board.view(0).recipe["prompt"] == "fire");
}
