// Presets and banks: partial recipes with how to play them, as the JSON files of presets/README.md keep them. A Bank that
// exists is right: every value of it was checked. What is not known here is kept, and written again in its place.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "json_text.h"
#include "settings.h"

namespace foleyd {

struct Preset {
    std::string name, about, category;
    std::vector<std::string> tags;
    OrderedJson recipe;          // the known fields that are given, but for the seed
    std::vector<int> seeds;      // taken in turn; none: one is drawn each time
    OrderedJson play;            // properties of a pad
    std::string prompt() const { return recipe.at("prompt").get<std::string>(); }
};

struct Bank {
    std::string name, title;
    std::vector<Preset> presets;
    OrderedJson document;        // the file as it stands
    bool users = false;          // one of the user's own; else it ships with foleyd
    std::string path;
    std::string stamp;           // SHA-256 of the user's file; empty where there is none
};

// Up to 40 lower-case letters, digits, '-' and '_'. Throws std::invalid_argument with a sentence.
void check_bank_name(const std::string& name);

// The bank in a file's bytes. Throws std::invalid_argument with `label`, line and reason.
Bank read_bank(const std::string& name, const std::string& bytes, const std::string& label);

// The bank with a preset more, or with this one in the place of that of its name: what is known is as in `preset`, what is
// not stays. Throws as read_bank() does.
Bank with_preset(const Bank& bank, const OrderedJson& preset);

// The play settings that a preset sets, each within its range; what it leaves out stays as it is on the pad.
std::vector<std::pair<Field, float>> settings_of(const Preset& preset);

// The same, from a pad: all that the live host knows too, and what only the plugin knows where it was changed.
OrderedJson play_of(const Settings& settings);

// The fields of a recipe that are known and in their range, and no others; null where there is nothing to keep.
OrderedJson known_recipe(const OrderedJson& given);

// Whether the field of a recipe says how its words become a sound: what is made of the sound takes it over.
bool is_manner(const std::string& name);

}  // namespace foleyd
