#include "presets.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <limits>
#include <set>
#include <span>
#include <stdexcept>

namespace foleyd {
namespace {

constexpr double anything = std::numeric_limits<double>::infinity();
constexpr std::size_t most_presets = 1000, most_tags = 32, most_seeds = 64;
constexpr int format = 1;

enum class FieldKind { is_text, is_name, is_number, is_integer, is_switch, is_choice, is_colour, is_sources };

struct FieldRule {
    const char* name;
    FieldKind kind;
    double least, most;
    bool may_be_null;
    std::vector<std::string> choices;
    bool manner;   // of a recipe: says how words become a sound
};

#include "preset_fields.inc"

struct TextRule {
    const char* name;
    std::size_t most;
    bool one_line = false;
};
const TextRule bank_texts[] = {{"title", 80, true}, {"about", 1000}, {"author", 200}, {"licence", 200}, {"comment", 2000}};
const TextRule preset_texts[] = {{"name", 80, true}, {"about", 1000}, {"category", 12, true},
                                 {"author", 200},    {"licence", 200}, {"comment", 2000}};

std::size_t characters(const std::string& text) {
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char one) { return (one & 0xc0) != 0x80; }));
}

// Upper and lower case of plain letters alike: names that differ elsewhere differ.
std::string folded(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), [](unsigned char one) { return std::tolower(one); });
    return text;
}

std::string number_in_words(double value) {
    std::string text = std::to_string(value);
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
    return text;
}

std::string shown(const OrderedJson& value) {
    const auto text = value.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
    return value.is_string() ? in_quotes(value.get<std::string>()) : text.size() > 40 ? text.substr(0, 40) : text;
}

std::string span_of(const FieldRule& rule) {
    return rule.least == -anything ? "one" : number_in_words(rule.least) + " to " + number_in_words(rule.most);
}

std::string choices_of(const FieldRule& rule) {
    std::string made;
    for (const auto& one : rule.choices) made += (made.empty() ? "" : ", ") + one;
    return made;
}

bool chosen(const FieldRule& rule, const OrderedJson& value) {
    return value.is_string() && std::find(rule.choices.begin(), rule.choices.end(), value.get<std::string>()) != rule.choices.end();
}

// Why the value cannot be, without the field's name; empty where it can.
std::string wrong(const FieldRule& rule, const OrderedJson& value) {
    if (value.is_null() && rule.may_be_null) return {};
    const bool number = value.is_number() && std::isfinite(value.get<double>());
    const double amount = number ? value.get<double>() : 0;
    const bool in_range = number && amount >= rule.least && amount <= rule.most;
    switch (rule.kind) {
        case FieldKind::is_text:
        case FieldKind::is_name: {
            if (!value.is_string()) return "give text.";
            const auto count = static_cast<double>(characters(value.get_ref<const std::string&>()));
            return count >= rule.least && count <= rule.most ? "" : "give " + span_of(rule) + " characters.";
        }
        case FieldKind::is_number:
            return in_range || chosen(rule, value) ? "" : "give a number, " + span_of(rule) + ".";
        case FieldKind::is_integer:
            return in_range && amount == std::floor(amount) ? "" : "give a whole number, " + span_of(rule) + ".";
        case FieldKind::is_switch:
            return value.is_boolean() || (number && (amount == 0 || amount == 1)) ? "" : "give true or false.";
        case FieldKind::is_choice:
            return chosen(rule, value) || (number && amount >= 0 && amount < static_cast<double>(rule.choices.size()) &&
                                           amount == std::floor(amount))
                       ? "" : "give one of " + choices_of(rule) + ".";
        case FieldKind::is_colour: {
            const auto text = value.is_string() ? value.get<std::string>() : "";
            const bool right = text.size() == 7 && text[0] == '#' &&
                               text.find_first_not_of("0123456789abcdefABCDEF", 1) == std::string::npos;
            return right ? "" : "give a colour such as #5b8def.";
        }
        case FieldKind::is_sources:
            return value.is_array() ? "" : "give a list.";
    }
    return {};
}

const FieldRule* rule_of(std::span<const FieldRule> rules, const std::string& name) {
    const auto found = std::find_if(rules.begin(), rules.end(), [&](const FieldRule& rule) { return name == rule.name; });
    return found == rules.end() ? nullptr : &*found;
}

class Reader {
public:
    explicit Reader(const JsonText& source) : source_(source) {}

    Bank bank(const std::string& name) {
        const auto& document = object("", source_.value(), "a bank");
        if (const auto found = document.find("format"); found != document.end() && *found != format)
            source_.refuse("/format", "format is " + shown(*found) + ": this foleyd reads 1 only.");
        Bank made;
        made.name = name;
        for (const auto& rule : bank_texts) text("", document, rule);
        made.title = document.value("title", "");
        if (made.title.empty()) made.title = name;
        if (!document.contains("presets")) source_.refuse("", "presets are missing: give a list of them.");
        std::set<std::string> seen;
        const auto& rows = list("", document, "presets", most_presets);
        for (std::size_t k = 0; k < rows.size(); ++k) {
            const auto at = "/presets/" + std::to_string(k);
            made.presets.push_back(preset(at, rows[k]));
            if (!seen.insert(folded(made.presets.back().name)).second)
                source_.refuse(at + "/name", "there are two presets " + in_quotes(made.presets.back().name) + ": rename one of them.");
        }
        made.document = document;
        return made;
    }

private:
    Preset preset(const std::string& at, const OrderedJson& value) {
        const auto& row = object(at, value, "a preset");
        for (const auto& rule : preset_texts) text(at, row, rule);
        Preset made;
        made.name = row.value("name", "");
        made.about = row.value("about", "");
        made.category = row.value("category", "");
        if (made.name.empty()) source_.refuse(at + "/name", "the preset has no name: give it one.");
        if (made.name.find('/') != std::string::npos) source_.refuse(at + "/name", "a name has a '/': give it without one.");
        const auto letter = [](char one) { return std::isalpha(static_cast<unsigned char>(one)) != 0; };
        if (!made.category.empty() && !(made.category.size() > 1 && std::all_of(made.category.begin(), made.category.end(), letter)))
            source_.refuse(at + "/category", "category is " + in_quotes(made.category) +
                                                 ": give a CatID of the Universal Category System, such as MUSCPerc.");
        const auto& tags = list(at, row, "tags", most_tags);
        for (std::size_t k = 0; k < tags.size(); ++k) {
            const auto tag = tags[k].is_string() ? tags[k].get<std::string>() : "";
            if (tag.empty() || characters(tag) > 40 || tag.find(',') != std::string::npos)
                source_.refuse(at + "/tags/" + std::to_string(k), "a tag is " + shown(tags[k]) + ": give 1 to 40 characters without commas.");
            made.tags.push_back(tag);
        }
        if (!row.contains("recipe")) source_.refuse(at + "/recipe", "the preset has no recipe: give it one with a prompt.");
        const auto& recipe = object(at + "/recipe", row["recipe"], "a recipe");
        if (!recipe.contains("prompt")) source_.refuse(at + "/recipe", "the recipe has no prompt: say in words what to hear.");
        made.recipe = OrderedJson::object();
        for (const auto& [name, given] : recipe.items())
            if (name == "seed") made.seeds = seeds(at + "/recipe/seed", given);
            else if (check(at + "/recipe", recipe_rules, name, given) && !given.is_null()) made.recipe[name] = given;
        if (made.recipe.contains("bars")) {
            if (!made.recipe.contains("bpm"))
                source_.refuse(at + "/recipe", "bars is given without bpm: give the tempo, or seconds instead.");
            if (made.recipe.contains("seconds") && made.recipe["seconds"] != "auto")
                source_.refuse(at + "/recipe", "both seconds and bars are given: give one of them.");
        }
        made.play = OrderedJson::object();
        if (row.contains("play"))
            for (const auto& [name, given] : object(at + "/play", row["play"], "play").items()) {
                const auto field = field_named(name);
                if (check(at + "/play", play_rules, name, given) || (field && given.is_number())) made.play[name] = given;
            }
        return made;
    }

    std::vector<int> seeds(const std::string& at, const OrderedJson& value) {
        if (value.is_null() || value == "random") return {};
        if (!value.is_array()) return {seed(at, value)};
        if (value.empty() || value.size() > most_seeds)
            source_.refuse(at, "seed lists " + std::to_string(value.size()) + " numbers: give 1 to 64.");
        std::vector<int> made;
        for (std::size_t k = 0; k < value.size(); ++k) made.push_back(seed(at + "/" + std::to_string(k), value[k]));
        return made;
    }

    int seed(const std::string& at, const OrderedJson& value) {
        const auto* rule = rule_of(recipe_rules, "seed");
        if (value.is_null() || !wrong(*rule, value).empty())
            source_.refuse(at, "seed is " + shown(value) + ": give a number, a list of numbers, or 'random'.");
        return static_cast<int>(value.get<double>());
    }

    // Whether the field is known here; refuses a value that it does not take.
    bool check(const std::string& at, std::span<const FieldRule> rules, const std::string& name, const OrderedJson& value) {
        const auto* rule = rule_of(rules, name);
        if (rule == nullptr) return false;
        if (const auto why = wrong(*rule, value); !why.empty())
            source_.refuse(JsonText::below(at, name), name + " is " + shown(value) + ": " + why);
        return true;
    }

    void text(const std::string& at, const OrderedJson& row, const TextRule& rule) {
        const auto found = row.find(rule.name);
        if (found == row.end()) return;
        const auto place = at + "/" + rule.name;
        const std::string name = rule.name;
        if (!found->is_string()) source_.refuse(place, name + " is " + shown(*found) + ": give text.");
        const auto& said = found->get_ref<const std::string&>();
        if (characters(said) > rule.most)
            source_.refuse(place, name + " has " + std::to_string(characters(said)) + " characters: give at most " + std::to_string(rule.most) + ".");
        const bool spaces = !said.empty() && (said.front() == ' ' || said.back() == ' ');
        const bool control = std::any_of(said.begin(), said.end(), [&](char one) {
            const auto byte = static_cast<unsigned char>(one);
            return byte == 0x7f || (byte < 0x20 && (rule.one_line || one != '\n'));
        });
        if (spaces || control) source_.refuse(place, name + " has control characters or spaces around it: give it without them.");
    }

    const OrderedJson& list(const std::string& at, const OrderedJson& row, const char* name, std::size_t most) {
        static const OrderedJson none = OrderedJson::array();
        const auto found = row.find(name);
        if (found == row.end()) return none;
        const auto place = at + "/" + name;
        if (!found->is_array()) source_.refuse(place, std::string(name) + " are " + shown(*found) + ": give a list.");
        if (found->size() > most)
            source_.refuse(place, "there are " + std::to_string(found->size()) + " " + name + ": at most " + std::to_string(most) + " are allowed.");
        return *found;
    }

    const OrderedJson& object(const std::string& at, const OrderedJson& value, const char* what) {
        if (!value.is_object()) source_.refuse(at, std::string(what) + " is " + shown(value) + ": give an object in braces.");
        return value;
    }

    const JsonText& source_;
};

// `next` with what only `last` has and `known` does not name; keys stay where they were.
OrderedJson merged(const OrderedJson& last, const OrderedJson& next, const std::set<std::string>& known) {
    OrderedJson made = OrderedJson::object();
    for (const auto& [name, value] : last.items())
        if (next.contains(name)) made[name] = next[name];
        else if (!known.contains(name)) made[name] = value;
    for (const auto& [name, value] : next.items())
        if (!made.contains(name)) made[name] = value;
    return made;
}

std::set<std::string> names_of(std::span<const FieldRule> rules) {
    std::set<std::string> made;
    for (const auto& rule : rules) made.insert(rule.name);
    return made;
}

}  // namespace

void check_bank_name(const std::string& name) {
    const auto plain = [](char one) { return (one >= 'a' && one <= 'z') || (one >= '0' && one <= '9'); };
    const bool right = !name.empty() && name.size() <= 40 && plain(name[0]) && name != "schema" &&
                       std::all_of(name.begin(), name.end(), [&](char one) { return plain(one) || one == '-' || one == '_'; });
    if (!right)
        throw std::invalid_argument(in_quotes(name) + " is no name of a bank: use up to 40 lower-case letters, digits, '-' and '_'.");
}

Bank read_bank(const std::string& name, const std::string& bytes, const std::string& label) {
    const JsonText source(label, bytes);
    return Reader(source).bank(name);
}

Bank with_preset(const Bank& bank, const OrderedJson& preset) {
    auto document = bank.document;
    auto& rows = document["presets"];
    const auto name = folded(preset.value("name", ""));
    const auto found = std::find_if(bank.presets.begin(), bank.presets.end(), [&](const Preset& one) { return folded(one.name) == name; });
    if (found == bank.presets.end()) {
        rows.push_back(preset);
    } else {
        auto& former = rows[static_cast<std::size_t>(found - bank.presets.begin())];
        auto next = preset;
        const std::pair<const char*, std::set<std::string>> parts[] = {{"recipe", names_of(recipe_rules)}, {"play", names_of(play_rules)}};
        for (const auto& [part, known] : parts) {
            const auto kept = merged(former.value(part, OrderedJson::object()), preset.value(part, OrderedJson::object()), known);
            if (!kept.empty()) next[part] = kept;
        }
        // what people wrote beside it stays: a pad only says its words and how it plays
        former = merged(former, next, {"recipe", "play", "name"});
    }
    auto made = read_bank(bank.name, written(document), bank.path.empty() ? bank.name + ".json" : bank.path);
    made.users = bank.users;
    made.path = bank.path;
    made.stamp = bank.stamp;
    return made;
}

std::vector<std::pair<Field, float>> settings_of(const Preset& preset) {
    std::vector<std::pair<Field, float>> made;
    for (const auto& [name, value] : preset.play.items()) {
        const auto field = field_named(name);
        if (!field) continue;
        const auto& known = spec(*field);
        if (value.is_boolean()) made.emplace_back(*field, value.get<bool>() ? 1.0f : 0.0f);
        else if (value.is_number()) made.emplace_back(*field, within(*field, value.get<float>()));
        else if (value.is_string() && known.choices != nullptr)
            for (int k = 0; k <= static_cast<int>(known.most); ++k)
                if (known.choices[k] == value.get_ref<const std::string&>()) made.emplace_back(*field, static_cast<float>(k));
    }
    return made;
}

OrderedJson play_of(const Settings& settings) {
    OrderedJson made = OrderedJson::object();
    for (std::size_t k = 0; k < field_count; ++k) {
        const auto& known = field_specs[k];
        const std::string name(known.name);
        const float value = settings.get(static_cast<Field>(k));
        if (rule_of(play_rules, name) == nullptr && value == known.usual) continue;
        // floats as people would write them, not 0.1 as 0.10000000149
        if (known.choices != nullptr) made[name] = std::string(known.choices[static_cast<int>(value)]);
        else if (known.whole) made[name] = static_cast<int>(value);
        else made[name] = std::round(static_cast<double>(value) * 10000) / 10000;
    }
    return made;
}

OrderedJson known_recipe(const OrderedJson& given) {
    OrderedJson made = OrderedJson::object();
    if (!given.is_object()) return made;
    for (const auto& [name, value] : given.items())
        if (const auto* rule = rule_of(recipe_rules, name); rule != nullptr && !value.is_null() && wrong(*rule, value).empty())
            made[name] = value;
    return made;
}

bool is_manner(const std::string& name) {
    const auto* rule = rule_of(recipe_rules, name);
    return rule != nullptr && rule->manner;
}

}  // namespace foleyd
