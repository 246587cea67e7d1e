#include "rework.h"

#include <algorithm>
#include <cmath>

namespace foleyd {
namespace {

constexpr double shortest = 0.3, longest = 30.0;   // seconds that a recipe takes
constexpr std::size_t most_text = 1000;
constexpr const char* length_fields[] = {"seconds", "bars", "bpm", "beats"};

// Fields of a recipe that say how its words become a sound, whatever is made of it.
constexpr const char* manner[] = {
    "negative",  "steps",   "guidance", "guidance_from", "guidance_to", "guidance_rescale", "scheduler", "vocoder", "model",
    "trim",      "fade_in", "fade_out", "level",         "ceiling",     "loudness",         "rate",      "width"};

void take_over(Json& to, const Json& from, const char* name) {
    if (const auto found = from.find(name); found != from.end()) to[name] = *found;
}

std::string model_of(Rework kind, const Made& clip, const Json& words, const Abilities& abilities) {
    return text_of(kind == Rework::restyle ? words : clip.recipe, "model", abilities.model);
}

// To the millisecond, which is finer than its own end; recipes have no finer grid.
double length_of(const Made& clip) { return std::clamp(std::round(clip.seconds * 1000) / 1000, shortest, longest); }

}  // namespace

std::map<std::string, std::set<std::string>> operations_of(const Json& models_reply) {
    std::map<std::string, std::set<std::string>> made;
    for (const auto& model : list_of(models_reply, "models")) {
        auto& known = made[text_of(model, "id")];
        const Json told = model.is_object() ? model.value("capabilities", Json()) : Json();
        for (const auto& one : list_of(told, "operations"))
            if (one.is_string()) known.insert(one.get<std::string>());
    }
    return made;
}

Json made_recipe(const Json& told) {
    Json kept = Json::object();
    if (!told.is_object()) return kept;
    const auto take = [&](const char* name) {
        const auto found = told.find(name);
        if (found == told.end()) return;
        const bool number = found->is_number() && std::isfinite(found->get<double>());
        const bool text = found->is_string() && found->get_ref<const std::string&>().size() <= 4 * most_text;
        if (number || text || found->is_boolean()) kept[name] = *found;
    };
    for (const char* name : {"operation", "prompt", "seed", "centre"}) take(name);
    for (const char* name : length_fields) take(name);
    for (const char* name : manner) take(name);
    return kept;
}

std::string hindrance(Rework kind, const Made& clip, const Json& words, const Abilities& abilities) {
    const auto& what = spec(kind);
    if (!clip.is) return "The pad is empty: generate a sound first.";
    if (what.from_words) {
        const auto operation = text_of(clip.recipe, "operation", "text");
        const bool known = !text_of(clip.recipe, "prompt").empty() &&
                           number_of(clip.recipe, operation == "vary" ? "centre" : "seed", -1) >= 0;
        if (!known || (operation != "text" && operation != "vary"))
            return "The pad's sound was not made from words alone: ask for more like it instead.";
    } else if (clip.clip_id.empty() && clip.bytes > most_frame_bytes) {
        return "The pad's clip is too long to be sent: drop a part of it.";
    }
    if (kind == Rework::restyle && text_of(words, "prompt").empty()) return "Say first what it shall sound like: the pad has no prompt.";
    if (abilities.model.empty()) return "The daemon has not yet told what its model can do.";
    const auto model = model_of(kind, clip, words, abilities);
    const auto known = abilities.operations.find(model);
    if (known == abilities.operations.end()) return "The model '" + model + "' is not on this disk: 'foleyd models pull' brings models.";
    if (!known->second.contains(what.operation)) return "The model '" + model + "' cannot do this: choose another one.";
    return {};
}

Json reworked(Rework kind, const Made& clip, const Json& words, int seed) {
    Json recipe = Json::object();
    const Json& from = kind == Rework::restyle ? words : clip.recipe;
    for (const char* name : manner)
        if (kind != Rework::like || std::string_view(name) == "model") take_over(recipe, from, name);
    const auto operation = text_of(clip.recipe, "operation", "text");
    const Json first = operation == "vary" ? clip.recipe.value("centre", Json(0)) : clip.recipe.value("seed", Json(0));
    recipe["operation"] = spec(kind).operation;
    recipe["prompt"] = text_of(from, "prompt", text_of(words, "prompt", "a sound"));
    recipe["seed"] = seed;
    const bool bars = clip.recipe.contains("bars") && clip.recipe.contains("bpm");
    switch (kind) {
        case Rework::vary:
            recipe["centre"] = first;
            for (const char* name : length_fields) take_over(recipe, from, name);
            break;
        case Rework::loop:
            recipe["seed"] = clip.recipe.value("seed", Json(seed));
            if (bars)
                for (const char* name : {"bars", "bpm", "beats"}) take_over(recipe, from, name);
            else
                recipe["seconds"] = length_of(clip);
            break;
        case Rework::like:
            recipe["seconds"] = length_of(clip);
            break;
        case Rework::restyle:
        case Rework::count:
            break;   // as long as its source
    }
    Json content = {{"recipe", std::move(recipe)}};
    if (!spec(kind).from_words && !clip.clip_id.empty()) content["sources"] = {{"source", clip.clip_id}};
    return content;
}

}  // namespace foleyd
