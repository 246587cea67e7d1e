// What can be made of a pad's clip: sounds near it, itself in other words, a loop, more of its kind.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "models.h"

namespace foleyd {

enum class Rework { vary, restyle, loop, like, count };

// `operation` is the protocol's word; `title` and `meaning` are the editor's.
struct ReworkSpec {
    const char* operation;
    std::string_view title, meaning;
    bool from_words;   // needs the recipe of a clip that was made from words alone; else the clip itself
};

inline constexpr std::size_t rework_count = static_cast<std::size_t>(Rework::count);

inline constexpr std::array<ReworkSpec, rework_count> rework_specs{{
    {"vary", "Vary", "Four sounds near the pad's.", true},
    {"restyle", "Restyle", "The pad's sound, made to sound like the prompt.", false},
    {"loop", "Make loop", "The same words and seed, with an end that runs into its beginning.", true},
    {"like", "More like this", "Four sounds of the kind of the pad's, by ear and by its words.", false},
}};

constexpr const ReworkSpec& spec(Rework kind) { return rework_specs[static_cast<std::size_t>(kind)]; }

// A clip as the daemon made it, and the words that the pad has now.
struct Made {
    std::string clip_id;   // empty for one that no library has: its samples are sent
    Json recipe = Json::object();
    double seconds = 0;
    bool is = false;       // the pad has a clip at all
    std::size_t bytes = 0; // of its samples, on their way
};

// The fields of a clip's recipe that are kept with it, and no others. For what is no recipe, an empty object.
Json made_recipe(const Json& told);

// Why it cannot be done, in a sentence; empty where it can. `words` is the pad's recipe.
std::string hindrance(Rework kind, const Made& clip, const Json& words, const Abilities& abilities);

// The content of a render request, but for the number of clips: `recipe`, and `sources` where the library has what it
// starts from. For what hindrance() has nothing against. `seed` is drawn; a loop keeps its sound's own.
Json reworked(Rework kind, const Made& clip, const Json& words, int seed);

}  // namespace foleyd
