#include <doctest/doctest.h>

#include "stage.h"
#include "tempo.h"

using namespace foleyd;

TEST_CASE("bars get the host's tempo in whole beats, and last as long in the recipe as in the host") {
    for (const auto& [beats, type] : {std::pair{4, 4}, {3, 4}, {6, 8}, {7, 8}, {5, 2}, {2, 2}}) {
        const Tempo tempo{123.5, beats, type};
        const auto asked = in_tempo({{"prompt", "a"}, {"bars", 2.0}, {"seconds", 9.0}}, tempo, false);
        const double lasting = 2.0 * asked["beats"].get<int>() * 60 / asked["bpm"].get<double>();
        CHECK(lasting == doctest::Approx(seconds_of(2.0, tempo)));
        CHECK(lasting == doctest::Approx(2.0 * beats * 4.0 / type * 60 / 123.5));
        CHECK_FALSE(asked.contains("seconds"));
    }
    CHECK(in_tempo({{"prompt", "a"}, {"seconds", 3.0}}, {}, false) == Json{{"prompt", "a"}, {"seconds", 3.0}});
    const auto mad = in_tempo({{"prompt", "a"}, {"bars", 1}}, {NAN, 0, 0}, false);   // a host that tells nonsense
    CHECK(mad["bpm"] == 120.0);
    CHECK(mad["beats"] == 4);
}

TEST_CASE("a prompt says the tempo, in each part of a mixture") {
    const auto said = [](const char* prompt) { return text_of(in_tempo({{"prompt", prompt}}, {99.6, 4, 4}, true), "prompt"); };
    CHECK(said("a drum loop") == "a drum loop, 100 bpm");
    CHECK(said("rain:0.7 | fire : 0.3") == "rain, 100 bpm:0.7 | fire, 100 bpm : 0.3");
    CHECK(said("at 10:30") == "at 10:30, 100 bpm");
    CHECK(said("rain | fire") == "rain | fire, 100 bpm");
}

TEST_CASE("the engine tells the tempo of the block that it played last") {
    stage::Stage stage;
    stage.run(256, {}, 256, {true, 93.25, 0, 0, 7, 8});
    CHECK(stage.engine.bpm == 93.25);
    CHECK(stage.engine.beats == 7);
    CHECK(stage.engine.beat_type == 8);
}
