// What the daemon tells of its models: which there are, and what each can do.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "peer.h"

namespace foleyd {

inline constexpr std::size_t most_models = 200;       // that are listened to
inline constexpr std::size_t most_model_name = 255;   // bytes, as recipes have it

using Operations = std::map<std::string, std::set<std::string>>;

// What the daemon's models can do, by model.
struct Abilities {
    std::string model;   // of recipes that name none; empty while the daemon has told nothing
    Operations operations;
};

// Of the models_reply; what is no name in one line of that length is left out, and so is all beyond that many.
Operations operations_of(const Json& models_reply);

// Of the info_reply: its model, empty for what is no such name.
std::string own_model_of(const Json& info_reply);

// A line of the list that people pick from.
struct ModelChoice {
    std::string id;      // empty as in recipes that name none: the daemon's own
    std::string title;   // of at most 64 bytes and a few words
    bool operator==(const ModelChoice&) const = default;
};

// The daemon's own first, the others by name; last the one that is `chosen`, where the daemon does not have it.
std::vector<ModelChoice> model_choices(const Abilities& abilities, const std::string& chosen);

// The recipe with this model, empty for the daemon's own, which is `own`. An adapter goes where the model is another: it
// fits the one that it was trained on.
Json with_model(Json recipe, const std::string& model, const std::string& own);

}  // namespace foleyd
