#include "models.h"

#include <algorithm>

namespace foleyd {
namespace {

constexpr std::size_t most_operations = 64, most_operation_name = 64, most_title = 64;

// A name that can be shown in a line: control characters would break it or hide others.
std::string name_of(const Json& object, const char* field, std::size_t most) {
    const auto name = text_of(object, field);
    const bool shown = std::none_of(name.begin(), name.end(), [](unsigned char one) { return one < 0x20 || one == 0x7f; });
    return shown && name.size() <= most ? name : std::string();
}

// The end of a long one, which tells it from others of its owner or folder.
std::string title_of(const std::string& id) {
    if (id.size() <= most_title) return id;
    auto from = id.size() - (most_title - 3);
    while (from < id.size() && (id[from] & 0xc0) == 0x80) ++from;   // not from within a character
    return "..." + id.substr(from);
}

}  // namespace

Operations operations_of(const Json& models_reply) {
    Operations made;
    for (const auto& model : list_of(models_reply, "models")) {
        if (made.size() >= most_models) break;
        const auto id = name_of(model, "id", most_model_name);
        if (id.empty()) continue;
        auto& known = made[id];
        const Json told = model.is_object() ? model.value("capabilities", Json()) : Json();
        for (const auto& one : list_of(told, "operations"))
            if (one.is_string() && one.get_ref<const std::string&>().size() <= most_operation_name && known.size() < most_operations)
                known.insert(one.get<std::string>());
    }
    return made;
}

std::string own_model_of(const Json& info_reply) { return name_of(info_reply, "model", most_model_name); }

std::vector<ModelChoice> model_choices(const Abilities& abilities, const std::string& chosen) {
    std::vector<ModelChoice> made;
    made.push_back({{}, abilities.model.empty() ? "The daemon's own" : "The daemon's own: " + title_of(abilities.model)});
    for (const auto& [id, operations] : abilities.operations) made.push_back({id, title_of(id)});
    if (!chosen.empty() && !abilities.operations.contains(chosen))
        made.push_back({chosen, title_of(chosen) + (abilities.operations.empty() || chosen == abilities.model ? "" : " (not on this disk)")});
    return made;
}

Json with_model(Json recipe, const std::string& model, const std::string& own) {
    if (text_of(recipe, "model", own) != (model.empty() ? own : model))
        for (const char* name : {"adapter", "adapter_weight", "adapter_revision"}) recipe.erase(name);
    if (model.empty()) recipe.erase("model");
    else recipe["model"] = model;
    return recipe;
}

}  // namespace foleyd
