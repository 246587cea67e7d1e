#include <doctest/doctest.h>

#include "board.h"
#include "clip_name.h"
#include "stage.h"

using namespace foleyd;

TEST_CASE("words become one plain piece of a path") {
    CHECK(slug_of("A deep kick drum!") == "a-deep-kick-drum");
    CHECK(slug_of("\u00dcber-Gl\u00f6ckchen \u21165") == "uber-glockchen-no5");
    CHECK(slug_of("../../etc/passwd") == "etc-passwd");
    CHECK(slug_of("a_b  c\n") == "a-b-c");
    CHECK(slug_of("cre\u0301dit") == "credit");
    CHECK(slug_of("\u9418\u306e\u97f3") == "\u9418\u306e\u97f3");
    CHECK(slug_of("") == "sound");
    CHECK(slug_of("\u2026") == "sound");
    CHECK(slug_of("\xff\xc3 a\xed\xa0\x80z") == "a-z");   // no UTF-8
    CHECK(slug_of(std::string(100, 'x')) == std::string(48, 'x'));
    CHECK(slug_of(std::string(40, 'x') + " " + std::string(20, 'y')) == std::string(40, 'x'));
    CHECK(slug_of(std::string(40, 'x') + " 1234567 z") == std::string(40, 'x') + "-1234567");
}

TEST_CASE("names are those of the Universal Category System where there is a category") {
    CHECK(clip_name("rain on a tin roof", "RAINMetl", 1) == "RAINMetl_Rain On A Tin Roof 01_foleyd_plugin");
    CHECK(clip_name("8bit \u00e6ther", "GAMEMisc", 12) == "GAMEMisc_8Bit \u00c6ther 12_foleyd_plugin");
    CHECK(clip_name("Rain!", "", 3) == "rain-03");
    for (const char* good : {"RAINMetl", "WIND", "AMBDsgn"}) CHECK(is_category(good));
    for (const char* bad : {"", "RAI", "rain", "RAINMetlRoofs", "RAIN1", "../x", "R\u00c4IN"}) CHECK_FALSE(is_category(bad));
}

TEST_CASE("a pad's category comes with its preset, goes with undo, and stays in sessions and presets") {
    const auto link = std::make_shared<Link>([] { return std::filesystem::path("/nonexistent/foleyd.json"); });
    Board one(link), other(link);
    one.say_category(0, "WINDGust");
    Preset preset;
    preset.name = "roof";
    preset.category = "RAINMetl";
    preset.recipe = {{"prompt", "rain"}};
    one.load_preset(0, "mine", preset);
    CHECK(one.view(0).category == "RAINMetl");
    CHECK(one.preset_of(0, "roof")["category"] == "RAINMetl");
    const auto saved = one.save();
    other.load(saved.data(), saved.size());
    CHECK(other.view(0).category == "RAINMetl");
    one.undo();
    CHECK(one.view(0).category == "WINDGust");
    one.say_category(0, "../up");
    CHECK(one.view(0).category.empty());
}
