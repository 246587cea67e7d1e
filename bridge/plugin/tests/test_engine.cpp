#include <doctest/doctest.h>

#include <limits>
#include <stdexcept>

#include "stage.h"

using namespace stage;
using foleyd::Mode;

namespace {

void set(Stage& stage, int pad, Field field, double value) {
    stage.engine.pads[static_cast<std::size_t>(pad)].set(field, static_cast<float>(value));
}

// A sine with silent ends, so that nothing is abrupt but what the engine does.
std::vector<float> bell(int frames) {
    auto made = sine(frames);
    for (int k = 0; k < 480 && k < frames / 2; ++k) {
        made[static_cast<std::size_t>(k)] *= k / 480.0f;
        made[static_cast<std::size_t>(frames - 1 - k)] *= k / 480.0f;
    }
    return made;
}

// Where a sine begins it bends by 0.0314 a frame; a step at its top is 0.5.
constexpr float smooth = 0.035f;

}  // namespace

TEST_CASE("a note plays the clip sample for sample from its own frame, in blocks of any size") {
    const auto made = foleyd::make_sound(bell(5000), {}, 48000);
    for (const int block : {1, 7, 64, 333, 4096}) {
        Stage stage;
        stage.engine.put(3, foleyd::fit(made, 48000));
        stage.run(6000, {on(123, 3)}, block);
        bool equal = true;
        for (std::size_t k = 0; k < 5000; ++k)
            equal = equal && stage.left()[123 + k] == made->left[k] && stage.heard[1][123 + k] == made->left[k];
        CHECK(equal);
        CHECK(stage.loudest(0, 123) == 0.0f);
        CHECK(stage.loudest(5123, 6000) == 0.0f);
        CHECK(stage.loudest(0, 6000, 2) == 0.0f);
    }
}

TEST_CASE("two channels stay apart, and level, balance and velocity are what they say") {
    Stage stage;
    stage.engine.put(0, clip(bell(4000), 48000, 48000, std::vector<float>(4000, 0.0f)));
    stage.run(4000, {on(0, 0, 0.5f)});
    CHECK(stage.loudest(0, 4000, 0) == doctest::Approx(0.25).epsilon(0.01));
    CHECK(stage.loudest(0, 4000, 1) == 0.0f);
    Stage other;
    other.engine.put(0, clip(bell(4000)));
    set(other, 0, Field::gain, -6);
    set(other, 0, Field::pan, 1);
    other.run(4000, {on(0)});
    CHECK(other.loudest(0, 4000, 0) == 0.0f);
    CHECK(other.loudest(0, 4000, 1) == doctest::Approx(0.25).epsilon(0.01));
}

TEST_CASE("one-shots ignore the release, gates and loops end with it, toggles with the next press") {
    for (const auto mode : {Mode::one_shot, Mode::gate, Mode::loop, Mode::toggle}) {
        CAPTURE(static_cast<int>(mode));
        Stage stage;
        stage.engine.put(0, clip(sine(4410)));
        set(stage, 0, Field::mode, static_cast<double>(mode));
        stage.run(20000, {on(0), off(2000), on(15000)});
        CHECK((stage.loudest(3000, 4400) > 0.4f) == (mode == Mode::one_shot || mode == Mode::toggle));
        CHECK((stage.loudest(8000, 9000) > 0.4f) == (mode == Mode::toggle));
        CHECK((stage.loudest(17000, 19000) > 0.4f) == (mode != Mode::toggle));
        CHECK(stage.roughest() < smooth);
    }
}

TEST_CASE("a loop that joins by itself repeats sample for sample, and one that does not makes no click") {
    Stage stage;
    const auto made = foleyd::make_sound(sine(4400), {}, 48000);   // 44 whole turns
    stage.engine.put(0, foleyd::fit(made, 48000));
    set(stage, 0, Field::mode, 2);
    stage.run(4400 * 3, {on(0)});
    bool equal = true;
    for (std::size_t k = 0; k < 3 * 4400; ++k) equal = equal && stage.left()[k] == made->left[k % 4400];
    CHECK(equal);
    Stage rough;
    rough.engine.put(0, clip(sine(4425)));   // ends at the top of a turn
    set(rough, 0, Field::mode, 2);
    rough.run(20000, {on(0)});
    CHECK(rough.roughest() < smooth);
    CHECK(rough.loudest(18000, 20000) > 0.4f);
}

TEST_CASE("loop points within the clip are what repeats") {
    Stage stage;
    std::vector<float> ramp(1000);
    for (std::size_t k = 0; k < 1000; ++k) ramp[k] = static_cast<float>(k) / 2000.0f;
    const auto made = foleyd::make_sound(ramp, {}, 48000);
    stage.engine.put(0, foleyd::fit(made, 48000));
    set(stage, 0, Field::mode, 3);
    set(stage, 0, Field::loop_start, 0.5);
    set(stage, 0, Field::loop_end, 0.75);
    stage.run(4000, {on(0)});
    CHECK(stage.left()[749] == made->left[749]);
    CHECK(stage.left()[750 + 200] == made->left[700]);   // past what is left of the step
    CHECK(stage.left()[3999] == doctest::Approx(made->left[500 + (3999 - 500) % 250]));
}

TEST_CASE("trimmed starts and ends fade, and so do clips that end abruptly") {
    Stage stage;
    stage.engine.put(0, clip(sine(20000)));
    set(stage, 0, Field::start, 0.2513);
    set(stage, 0, Field::end, 0.7519);
    stage.run(20000, {on(100)});
    CHECK(stage.first_sound() >= 100);
    CHECK(stage.first_sound() <= 102);
    CHECK(stage.loudest(100 + 10012, 20000) == 0.0f);
    CHECK(stage.roughest() < smooth);
    Stage abrupt;
    abrupt.engine.put(0, clip(sine(4425)));
    abrupt.run(8000, {on(0)});
    CHECK(abrupt.roughest() < smooth);
}

TEST_CASE("steals, chokes and silence fade") {
    Stage stage;
    stage.engine.put(0, clip(sine(48000)));
    stage.engine.put(1, clip(sine(48000, 300)));
    set(stage, 0, Field::voices, 1);
    set(stage, 0, Field::choke, 2);
    set(stage, 1, Field::choke, 2);
    stage.run(3000, {on(0), on(1025), on(2025, 1)});
    CHECK(stage.roughest() < smooth);
    CHECK(stage.engine.playing[0].load() == 0);
    CHECK(stage.engine.playing[1].load() == 1);
    stage.run(2000, {{525, Event::Kind::silence, 0, 0}});
    CHECK(stage.roughest() < smooth);
    CHECK(stage.loudest(4000, 5000) == 0.0f);
}

TEST_CASE("a flood of notes never clicks and never sounds more than the polyphony twice") {
    Stage stage;
    std::vector<Event> flood;
    for (int pad = 0; pad < foleyd::pad_count; ++pad) {
        stage.engine.put(pad, clip(sine(48000, 441, 44100, 0.01)));
        set(stage, pad, Field::voices, 16);
    }
    for (int k = 0; k < 3000; ++k) flood.push_back(on(k, k % 64));
    stage.run(4000, flood);
    int voices = 0;
    for (const auto& count : stage.engine.playing) voices += count.load();
    CHECK(voices <= Engine::polyphony);
    CHECK(stage.engine.dropped.load() > 0);
    CHECK(stage.roughest() < 0.02f);
}

TEST_CASE("level, balance, mute and output change without a step") {
    Stage stage;
    stage.engine.put(0, clip(sine(48000)));
    stage.run(5025, {on(0)});
    set(stage, 0, Field::gain, -40);
    stage.run(2000);
    set(stage, 0, Field::gain, 0);
    set(stage, 0, Field::pan, -1);
    stage.run(2025);
    set(stage, 0, Field::pan, 0);
    set(stage, 0, Field::output, 3);
    stage.run(4000);
    set(stage, 0, Field::mute, 1);
    stage.engine.master.store(-20);
    stage.run(4000);
    for (const std::size_t side : {0u, 1u, 4u, 5u}) CHECK(stage.roughest(0, side) < smooth);
    CHECK(stage.loudest(5025 + 1500, 5025 + 2000) == doctest::Approx(0.005).epsilon(0.05));
    CHECK(stage.loudest(10500, 13000) == 0.0f);
    CHECK(stage.loudest(10500, 13000, 4) > 0.4f);
    CHECK(stage.loudest(15000, 17000, 4) == 0.0f);
}

TEST_CASE("a new clip waits for the next press, and a loop's for its joint") {
    Stage stage;
    stage.engine.put(0, clip(sine(8820)));
    stage.run(1000, {on(0)});
    stage.engine.put(0, clip(std::vector<float>(8820, 0.0f)));
    stage.run(9000);
    CHECK(stage.loudest(8000, 8800) > 0.4f);
    CHECK(stage.roughest() < smooth);
    Stage loop;
    loop.engine.put(0, clip(sine(4400)));
    set(loop, 0, Field::mode, 3);
    loop.run(5000, {on(0)});
    loop.engine.put(0, clip(sine(2200, 882, 44100, 0.25)));
    loop.run(10000);
    CHECK(loop.loudest(7000, 8790) > 0.4f);
    CHECK(loop.loudest(9200, 15000) < 0.26f);
    CHECK(loop.loudest(9200, 15000) > 0.24f);
    CHECK(loop.roughest() < smooth);
    CHECK(loop.engine.collect() == 1);   // the old one, while the new one plays
    loop.engine.put(0, nullptr);
    loop.run(1000);
    CHECK(loop.engine.collect() == 0);   // still playing
    loop.run(1000, {on(500)});
    CHECK(loop.engine.collect() == 1);
}

TEST_CASE("clips at another rate sound at their pitch, fitted or not yet") {
    for (const double fitted : {48000.0, 44100.0}) {
        Stage stage(48000);
        stage.engine.put(0, clip(sine(44100), fitted, 44100));
        stage.run(48000, {on(0)});
        int turns = 0;
        for (std::size_t k = 1; k < 48000; ++k) turns += stage.left()[k - 1] < 0 && stage.left()[k] >= 0;
        CHECK(turns == doctest::Approx(441).epsilon(0.01));
        CHECK(stage.loudest(46000, 47900) > 0.45f);
    }
}

TEST_CASE("in pitch mode every note plays one pad, by its distance from the root") {
    Stage stage;
    stage.engine.put(5, clip(sine(48000)));
    stage.engine.pitched.store(5);
    stage.run(24000, {{0, Event::Kind::on, 72, 1.0f}});
    int turns = 0;
    for (std::size_t k = 1; k < 20000; ++k) turns += stage.left()[k - 1] < 0 && stage.left()[k] >= 0;
    CHECK(turns == doctest::Approx(400).epsilon(0.003));   // 882 turns in 44100 frames
}

TEST_CASE("launches wait for the host's beat or bar, to the sample, and not while it stands") {
    Transport time{true, 120.0, 3.7, 0.0, 4, 4};   // 24000 frames a beat: the bar comes after 0.3 of one
    for (const auto& [quantum, wanted] : {std::pair{1, 7200}, std::pair{2, 7200}, std::pair{3, 7200 + 4 * 24000}}) {
        Stage stage;
        stage.engine.put(0, clip(std::vector<float>(100, 0.005f)));
        set(stage, 0, Field::quantise, quantum);
        stage.run(120000, {on(100)}, 512, time);
        CHECK(stage.first_sound() == wanted);
    }
    Stage still;
    still.engine.put(0, clip(std::vector<float>(100, 0.005f)));
    set(still, 0, Field::quantise, 2);
    time.playing = false;
    still.run(1000, {on(100)}, 512, time);
    CHECK(still.first_sound() == 100);
}

TEST_CASE("the editor's presses play, and a quick press of a gate does not stick") {
    Stage stage;
    stage.engine.put(0, clip(sine(48000)));
    set(stage, 0, Field::mode, 1);
    stage.engine.press(0, 1.0f);
    stage.run(1000);
    CHECK(stage.engine.playing[0].load() == 1);
    stage.engine.let_go(0);
    stage.run(1000);
    CHECK(stage.engine.playing[0].load() == 0);
    stage.engine.press(0, 1.0f);
    stage.engine.let_go(0);
    stage.run(1000);
    CHECK(stage.engine.playing[0].load() == 0);
    CHECK(stage.roughest() < smooth);
}

TEST_CASE("samples that are no sound are refused with a sentence") {
    CHECK_THROWS_AS(foleyd::make_sound({}, {}, 48000), std::invalid_argument);
    CHECK_THROWS_AS(foleyd::make_sound({0, std::numeric_limits<float>::quiet_NaN()}, {}, 48000), std::invalid_argument);
    CHECK_THROWS_AS(foleyd::make_sound({0, 1}, {0}, 48000), std::invalid_argument);
    CHECK_THROWS_AS(foleyd::make_sound({0, 1}, {}, 1), std::invalid_argument);
    CHECK_THROWS_AS(foleyd::make_sound({0, 1e9f}, {}, 48000), std::invalid_argument);
}
