#include <doctest/doctest.h>

#include <thread>

#include "stage.h"

// For ThreadSanitizer above all: clips, settings and presses from two threads while a third plays.
TEST_CASE("clips change hands, are freed and played at once, from several threads") {
    stage::Stage stage;
    std::atomic<bool> running{true};
    auto& engine = stage.engine;
    const auto sound = foleyd::make_sound(stage::sine(2000), {}, 48000);
    std::thread turner([&] {
        for (int k = 0; running; ++k) {
            engine.pads[static_cast<std::size_t>(k % 64)].set(foleyd::Field::gain, static_cast<float>(-(k % 20)));
            engine.put(k % 64, k % 5 == 0 ? nullptr : foleyd::fit(sound, 48000));
            engine.press(k % 64, 0.5f);
            engine.let_go(k % 64);
        }
    });
    std::thread freer([&] {
        while (running) engine.collect();
    });
    for (int k = 0; k < 60; ++k) {
        stage.run(512, {stage::on(3, k), stage::off(200, k)}, 64);
        std::this_thread::yield();
    }
    running = false;
    turner.join();
    freer.join();
    for (const float sample : stage.left()) REQUIRE(std::isfinite(sample));
    CHECK(engine.blocks.load() == 60 * 8);
}
