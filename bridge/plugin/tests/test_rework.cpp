#include <doctest/doctest.h>

#include <limits>

#include "rework.h"

using namespace foleyd;

namespace {

const Abilities able{"starter", {{"starter", {"text", "vary", "loop", "restyle", "like"}}, {"poor", {"text"}}}};

Made made(Json recipe, double seconds = 1.2345, std::string id = "clip-1") {
    return {std::move(id), made_recipe(recipe), seconds, true};
}

}  // namespace

TEST_CASE("a variation stays near its sound in all that made it, and one of a variation near the same centre") {
    const auto clip = made({{"prompt", "rain"}, {"seed", 7}, {"seconds", 2.0}, {"steps", 9}, {"model", "starter"},
                            {"operation", "text"}, {"revision", "r1"}, {"sources", Json::array()}});
    const auto asked = reworked(Rework::vary, clip, {{"prompt", "fire"}, {"steps", 3}}, 55);
    CHECK(asked == Json{{"recipe", {{"operation", "vary"}, {"prompt", "rain"}, {"seed", 55}, {"centre", 7}, {"seconds", 2.0},
                                    {"steps", 9}, {"model", "starter"}}}});
    const auto again = reworked(Rework::vary, made({{"prompt", "rain"}, {"seed", 55}, {"centre", 7}, {"operation", "vary"}}), {}, 60);
    CHECK(again["recipe"]["centre"] == 7);
}

TEST_CASE("what says how words become a sound is taken over, and with it what a model was taught") {
    // every field of that kind that recipes have: the generated table says which
    const Json manner = {{"negative", "birds"}, {"steps", 9}, {"guidance", 2.5}, {"guidance_from", 0.1}, {"guidance_to", 0.9},
                         {"guidance_rescale", 0.5}, {"scheduler", "unipc"}, {"vocoder", "fast"}, {"model", "starter"},
                         {"adapter", "dust"}, {"adapter_weight", 0.8}, {"trim", false}, {"fade_in", 3}, {"fade_out", 4},
                         {"level", "lufs"}, {"ceiling", -2}, {"loudness", -20}, {"rate", 44100}, {"width", "stereo"},
                         {"highs", "extended"}};
    Json told = manner;
    told.update({{"prompt", "a Dustbox kick"}, {"seed", 7}, {"operation", "text"}, {"adapter_revision", "0123456789abcdef"},
                 {"revision", "r1"}, {"distance", 0.3}, {"path", "/etc"}});
    for (const auto kind : {Rework::vary, Rework::loop, Rework::restyle}) {
        Json asked = reworked(kind, made(told), told, 55)["recipe"];
        CHECK(asked["operation"] == spec(kind).operation);
        for (const char* name : {"operation", "prompt", "seed", "seconds", "centre"}) asked.erase(name);
        CHECK(asked == manner);   // and no revisions: what is on this disk now is meant
    }
    CHECK(reworked(Rework::like, made(told), Json::object(), 55)["recipe"] ==
          Json{{"operation", "like"}, {"prompt", "a Dustbox kick"}, {"seed", 55}, {"seconds", 1.235}, {"model", "starter"},
               {"adapter", "dust"}, {"adapter_weight", 0.8}});
}

TEST_CASE("a loop keeps seed and length, in bars where its sound had bars") {
    const auto plain = reworked(Rework::loop, made({{"prompt", "rain"}, {"seed", 7}, {"seconds", "auto"}}), {}, 55);
    CHECK(plain == Json{{"recipe", {{"operation", "loop"}, {"prompt", "rain"}, {"seed", 7}, {"seconds", 1.235}}}});
    const auto bars = reworked(Rework::loop, made({{"prompt", "rain"}, {"seed", 7}, {"bars", 2}, {"bpm", 120}, {"beats", 3}}), {}, 55);
    CHECK(bars["recipe"]["bars"] == 2);
    CHECK(bars["recipe"]["beats"] == 3);
    CHECK_FALSE(bars["recipe"].contains("seconds"));
    CHECK(reworked(Rework::loop, made({{"prompt", "a"}, {"seed", 1}}, 0.01), {}, 5)["recipe"]["seconds"] == 0.3);
}

TEST_CASE("another style and more of a kind start from the clip") {
    const auto clip = made({{"prompt", "rain"}, {"seed", 7}, {"steps", 9}});
    const auto styled = reworked(Rework::restyle, clip, {{"prompt", "fire"}, {"steps", 3}, {"seconds", 4.0}}, 55);
    CHECK(styled == Json{{"recipe", {{"operation", "restyle"}, {"prompt", "fire"}, {"seed", 55}, {"steps", 3}}},
                         {"sources", {{"source", "clip-1"}}}});
    const auto like = reworked(Rework::like, clip, {{"prompt", "fire"}}, 55);
    CHECK(like == Json{{"recipe", {{"operation", "like"}, {"prompt", "rain"}, {"seed", 55}, {"seconds", 1.235}}},
                       {"sources", {{"source", "clip-1"}}}});
}

TEST_CASE("what no library has is named by no id, and goes by the pad's words where it has none itself") {
    const auto dropped = made(Json::object(), 2, "");
    CHECK(reworked(Rework::restyle, dropped, {{"prompt", "fire"}}, 5) ==
          Json{{"recipe", {{"operation", "restyle"}, {"prompt", "fire"}, {"seed", 5}}}});
    CHECK(reworked(Rework::like, dropped, {{"prompt", "fire"}}, 5)["recipe"]["prompt"] == "fire");
    CHECK(reworked(Rework::like, dropped, Json::object(), 5)["recipe"]["prompt"] == "a sound");
}

TEST_CASE("what cannot be done says why, and what can says nothing") {
    const auto clip = made({{"prompt", "rain"}, {"seed", 7}});
    const Json words = {{"prompt", "fire"}};
    const auto says = [](const std::string& sentence, const char* part) { return sentence.find(part) != std::string::npos; };
    for (const auto kind : {Rework::vary, Rework::restyle, Rework::loop, Rework::like}) {
        CHECK(hindrance(kind, clip, words, able).empty());
        CHECK(says(hindrance(kind, {}, words, able), "empty"));
        CHECK(says(hindrance(kind, clip, words, {}), "not yet told"));
        CHECK(says(hindrance(kind, clip, words, {"away", able.operations}), "'away' is not on this disk"));
        CHECK(says(hindrance(kind, clip, words, {"poor", able.operations}), "'poor' cannot do this"));
    }
    const auto imported = made(Json::object());
    CHECK(says(hindrance(Rework::vary, imported, words, able), "words alone"));
    CHECK(says(hindrance(Rework::loop, made({{"prompt", "a"}, {"seed", 1}, {"operation", "restyle"}}), words, able), "words alone"));
    CHECK(hindrance(Rework::like, imported, words, able).empty());
    const Json words_alone = {{"prompt", "a"}, {"seed", 1}, {"seconds", 40}};
    CHECK(says(hindrance(Rework::vary, made(words_alone, 40), words, able), "longer than 30 s"));
    CHECK(hindrance(Rework::loop, made(words_alone, 40), words, able).empty());   // of its first 30
    CHECK(says(hindrance(Rework::loop, made({{"prompt", "a"}, {"seed", 1}, {"bars", 20}, {"bpm", 120}}, 40), words, able), "longer than 30 s"));
    CHECK(hindrance(Rework::vary, made({{"prompt", "a"}, {"seed", 1}, {"seconds", 30}}, 30), words, able).empty());
    auto dropped = made(Json::object(), 1, "");
    CHECK(hindrance(Rework::like, dropped, words, able).empty());
    CHECK(hindrance(Rework::restyle, dropped, words, able).empty());
    dropped.bytes = foleyd::most_frame_bytes + 1;
    CHECK(says(hindrance(Rework::restyle, dropped, words, able), "too long to be sent"));
    CHECK(says(hindrance(Rework::restyle, clip, Json::object(), able), "no prompt"));
    // the clip's own model counts, and for other words the pad's
    CHECK(says(hindrance(Rework::vary, made({{"prompt", "a"}, {"seed", 1}, {"model", "poor"}}), words, able), "'poor'"));
    CHECK(says(hindrance(Rework::restyle, clip, {{"prompt", "a"}, {"model", "poor"}}, able), "'poor'"));
}

TEST_CASE("recipes and models that a daemon makes up do no harm") {
    for (const auto& told : {Json(), Json(3), Json::array({1}), Json{{"prompt", 3}, {"seed", Json::array()}}, Json{{"x", "y"}}})
        CHECK_NOTHROW(hindrance(Rework::vary, made(told), told, able));
    CHECK(made_recipe({{"prompt", std::string(100000, 'x')}, {"steps", std::numeric_limits<double>::infinity()}}).empty());
}
