#include "rework.h"

#include <algorithm>
#include <cmath>

#include "presets.h"

namespace foleyd {
namespace {

constexpr double shortest = 0.3, longest = 30.0;   // seconds that a recipe takes
constexpr std::size_t most_text = 1000;
constexpr const char* own_fields[] = {"operation", "prompt", "seed", "centre"};
constexpr const char* length_fields[] = {"seconds", "bars", "bpm", "beats"};
// Which network it is: words that an adapter taught it mean nothing to it without.
constexpr const char* network[] = {"model", "adapter", "adapter_weight"};

void take_over(Json& to, const Json& from, const char* name) {
    if (const auto found = from.find(name); found != from.end()) to[name] = *found;
}

std::string model_of(Rework kind, const Made& clip, const Json& words, const Abilities& abilities) {
    return text_of(kind == Rework::restyle ? words : clip.recipe, "model", abilities.model);
}

bool in_bars(const Made& clip) { return clip.recipe.contains("bars") && clip.recipe.contains("bpm"); }

// To the millisecond, which is finer than its own end; recipes have no finer grid.
double length_of(const Made& clip) { return std::clamp(std::round(clip.seconds * 1000) / 1000, shortest, longest); }

}  // namespace

Json made_recipe(const Json& told) {
    Json kept = Json::object();
    if (!told.is_object()) return kept;
    const auto wanted = [](const std::string& name) {
        return is_manner(name) || std::find(std::begin(own_fields), std::end(own_fields), name) != std::end(own_fields) ||
               std::find(std::begin(length_fields), std::end(length_fields), name) != std::end(length_fields);
    };
    for (const auto& [name, value] : told.items()) {
        const bool number = value.is_number() && std::isfinite(value.get<double>());
        const bool text = value.is_string() && value.get_ref<const std::string&>().size() <= 4 * most_text;
        if (wanted(name) && (number || text || value.is_boolean())) kept[name] = value;
    }
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
        if (clip.seconds > longest && (kind == Rework::vary || in_bars(clip)))
            return "The pad's sound is longer than 30 s, which only sounds from words can be: ask for more like it instead.";
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
    if (kind == Rework::like)
        for (const char* name : network) take_over(recipe, from, name);
    else
        for (const auto& [name, value] : from.items())
            if (is_manner(name)) recipe[name] = value;
    const auto operation = text_of(clip.recipe, "operation", "text");
    const Json first = operation == "vary" ? clip.recipe.value("centre", Json(0)) : clip.recipe.value("seed", Json(0));
    recipe["operation"] = spec(kind).operation;
    recipe["prompt"] = text_of(from, "prompt", text_of(words, "prompt", "a sound"));
    recipe["seed"] = seed;
    switch (kind) {
        case Rework::vary:
            recipe["centre"] = first;
            for (const char* name : length_fields) take_over(recipe, from, name);
            break;
        case Rework::loop:
            recipe["seed"] = clip.recipe.value("seed", Json(seed));
            if (in_bars(clip))
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
