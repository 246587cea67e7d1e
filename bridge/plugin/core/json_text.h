// JSON that people write by hand, with the line of every value, so that a mistake can be pointed at.
#pragma once

#include <map>
#include <string>

#include <nlohmann/json.hpp>

namespace foleyd {

using OrderedJson = nlohmann::ordered_json;   // keys stay in their order

// A document of at most 4 MiB. Throws std::invalid_argument, with name and line, for what is no JSON in UTF-8, keys that
// are given twice, numbers that nothing can hold, and nesting that is too deep.
class JsonText {
public:
    JsonText(std::string name, const std::string& bytes);
    const OrderedJson& value() const { return value_; }
    // `place` is a path such as "/presets/3/recipe/prompt"; where it is missing, the line of what is around it.
    int line(std::string place) const;
    [[noreturn]] void refuse(const std::string& place, const std::string& reason) const;

    static std::string below(const std::string& place, const std::string& key);

private:
    void look(const std::string& bytes);

    std::string name_;
    OrderedJson value_;
    std::map<std::string, int> lines_;
};

// As files have it: two spaces a level, one line feed at the end.
std::string written(const OrderedJson& value);

// A text as messages show it: quoted, and not long.
std::string in_quotes(const std::string& text, std::size_t most = 40);

}  // namespace foleyd
