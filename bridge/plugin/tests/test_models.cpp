#include <doctest/doctest.h>

#include "models.h"

using namespace foleyd;

namespace {

Json listing(const std::vector<std::string>& ids) {
    Json models = Json::array();
    for (const auto& id : ids) models.push_back({{"id", id}});
    return {{"models", models}};
}

std::vector<std::string> ids_of(const std::vector<ModelChoice>& choices) {
    std::vector<std::string> made;
    for (const auto& one : choices) made.push_back(one.id);
    return made;
}

}  // namespace

TEST_CASE("models are listed by name behind the daemon's own, which says which it is") {
    const Abilities abilities{"starter", operations_of(listing({"starter", "b/two", "a/one"}))};
    CHECK(model_choices(abilities, "") == std::vector<ModelChoice>{
              {"", "The daemon's own: starter"}, {"a/one", "a/one"}, {"b/two", "b/two"}, {"starter", "starter"}});
    CHECK(model_choices({}, "") == std::vector<ModelChoice>{{"", "The daemon's own"}});
}

TEST_CASE("a model that the daemon does not have is kept in the list, and told from those that it has") {
    const Abilities abilities{"/folder/mine", operations_of(listing({"starter"}))};
    CHECK(model_choices(abilities, "a/preset's").back() == ModelChoice{"a/preset's", "a/preset's (not on this disk)"});
    CHECK(model_choices(abilities, "/folder/mine").back() == ModelChoice{"/folder/mine", "/folder/mine"});   // it was started with it
    CHECK(model_choices({}, "a/preset's").back() == ModelChoice{"a/preset's", "a/preset's"});   // nobody has told yet
    CHECK(ids_of(model_choices(abilities, "starter")) == std::vector<std::string>{"", "starter"});
}

TEST_CASE("what a daemon makes up is no name, and fills no list without end") {
    CHECK(operations_of({{"models", Json::array({3, nullptr, {{"id", 4}}, {{"id", ""}}, {{"id", "two\nlines"}}, {{"id", "a\x7f"}}, {{"name", "b"}},
                                                 {{"id", std::string(256, 'x')}}, {{"id", "a"}}, {{"id", "a"}, {"capabilities", 3}},
                                                 {{"id", "b"}, {"capabilities", {{"operations", {"vary", 4, std::string(65, 'v')}}}}}})}}) ==
          Operations{{"a", {}}, {"b", {"vary"}}});
    for (const auto& told : {Json(), Json(3), Json::array({1}), Json{{"models", "all"}}, Json{{"models", {{"id", "a"}}}}})
        CHECK(operations_of(told).empty());
    std::vector<std::string> many, deeds;
    for (int k = 0; k < 5000; ++k) many.push_back("owner/" + std::to_string(k));
    const auto heard = operations_of(listing(many));
    CHECK(heard.size() == most_models);
    CHECK(model_choices({"starter", heard}, "a").size() == most_models + 2);
    CHECK(operations_of({{"models", Json::array({{{"id", "a"}, {"capabilities", {{"operations", many}}}}})}}).at("a").size() == 64);
    CHECK(own_model_of({{"model", std::string(256, 'x')}}).empty());
    CHECK(own_model_of({{"model", "two\tcolumns"}}).empty());
    CHECK(own_model_of({{"model", 3}}).empty());
    CHECK(own_model_of({{"model", "starter"}}) == "starter");
}

TEST_CASE("a long name is shown by its end, in whole characters") {
    const auto choices = model_choices({}, std::string(100, 'x') + "/the-end");
    CHECK(choices.back().title == "..." + std::string(53, 'x') + "/the-end");
    std::string umlauts;
    for (int k = 0; k < 100; ++k) umlauts += "\xc3\xa4";
    const auto title = model_choices({}, umlauts + "x").back().title;
    CHECK(title.size() <= 64);
    CHECK_NOTHROW(Json(title).dump());   // which throws for half a character
}

TEST_CASE("an adapter stays with the model that it was trained on") {
    const Json recipe = {{"prompt", "a"}, {"adapter", "dust"}, {"adapter_weight", 0.5}, {"adapter_revision", "0"}};
    CHECK(with_model(recipe, "", "starter") == recipe);
    Json named = recipe;
    named["model"] = "starter";
    CHECK(with_model(recipe, "starter", "starter") == named);   // the same one by its name
    CHECK(with_model(named, "", "starter") == recipe);
    CHECK(with_model(named, "starter", "") == named);
    CHECK(with_model(recipe, "a/b", "starter") == Json{{"prompt", "a"}, {"model", "a/b"}});
    CHECK(with_model(named, "", "a/b") == Json{{"prompt", "a"}});
}
