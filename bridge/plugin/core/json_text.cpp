#include "json_text.h"

#include <algorithm>
#include <stdexcept>
#include <vector>

namespace foleyd {
namespace {

constexpr std::size_t most_bytes = std::size_t{4} << 20;
constexpr int deepest = 100;   // nlohmann writes by recursion

[[noreturn]] void refuse_at(const std::string& name, int line, const std::string& reason) {
    throw std::invalid_argument(name + ", line " + std::to_string(line) + ": " + reason);
}

int line_of(const std::string& bytes, std::size_t at) {
    const auto end = bytes.begin() + static_cast<std::ptrdiff_t>(std::min(at, bytes.size()));
    return 1 + static_cast<int>(std::count(bytes.begin(), end, '\n'));
}

// The end of a string that begins at `at`.
std::size_t past_string(const std::string& bytes, std::size_t at) {
    for (++at; at < bytes.size() && bytes[at] != '"'; ++at)
        if (bytes[at] == '\\') ++at;
    return std::min(at + 1, bytes.size());
}

}  // namespace

std::string JsonText::below(const std::string& place, const std::string& key) {
    std::string made = place + "/";
    for (const char one : key) made += one == '~' ? "~0" : one == '/' ? "~1" : std::string(1, one);
    return made;
}

JsonText::JsonText(std::string name, const std::string& bytes) : name_(std::move(name)) {
    if (bytes.size() > most_bytes) throw std::invalid_argument(name_ + " is larger than 4 MiB: split it.");
    int depth = 0;
    for (std::size_t at = 0; at < bytes.size();) {
        if (bytes[at] == '"') {
            at = past_string(bytes, at);
            continue;
        }
        if (bytes[at] == '{' || bytes[at] == '[') ++depth;
        if (bytes[at] == '}' || bytes[at] == ']') --depth;
        if (depth > deepest)
            refuse_at(name_, line_of(bytes, at), "lists and objects lie too deep in each other: make it flatter.");
        ++at;
    }
    try {
        value_ = OrderedJson::parse(bytes);
    } catch (const OrderedJson::parse_error& error) {
        refuse_at(name_, line_of(bytes, error.byte > 0 ? error.byte - 1 : 0), "this is not JSON in UTF-8: correct it there.");
    } catch (const OrderedJson::exception&) {
        refuse_at(name_, 1, "it holds a number that nothing can hold: give another one.");
    }
    look(bytes);
}

// The text is right JSON: notes where values begin, and finds keys that were given twice.
void JsonText::look(const std::string& bytes) {
    struct Open {
        std::string place;
        bool object = false, key_next = false;
        int index = 0;
        std::string key;
    };
    std::vector<Open> open;
    int line = 1;
    const auto begins = [&]() -> std::string {
        if (open.empty()) return "";
        const auto& in = open.back();
        return in.object ? below(in.place, in.key) : in.place + "/" + std::to_string(in.index);
    };
    const auto note = [&] {
        const auto place = begins();
        if (!lines_.emplace(place, line).second)
            refuse_at(name_, line, in_quotes(open.back().key) + " is given twice: keep one of them.");
        return place;
    };
    for (std::size_t at = 0; at < bytes.size();) {
        const char one = bytes[at];
        if (one == '\n') ++line;
        if (std::string_view(" \t\r\n:\xef\xbb\xbf").find(one) != std::string_view::npos) {
            ++at;
        } else if (one == ',') {
            if (open.back().object) open.back().key_next = true;
            else ++open.back().index;
            ++at;
        } else if (one == '}' || one == ']') {
            open.pop_back();
            ++at;
        } else if (one == '"' && !open.empty() && open.back().key_next) {
            const auto end = past_string(bytes, at);
            open.back().key = OrderedJson::parse(bytes.substr(at, end - at)).get<std::string>();
            open.back().key_next = false;
            at = end;
        } else {
            const auto place = note();
            if (one == '{' || one == '[') {
                open.push_back({place, one == '{', one == '{', 0, {}});
                ++at;
            } else if (one == '"') {
                at = past_string(bytes, at);
            } else {
                at = std::min(bytes.find_first_of(" \t\r\n,]}", at), bytes.size());
            }
        }
    }
}

int JsonText::line(std::string place) const {
    for (;;) {
        if (const auto found = lines_.find(place); found != lines_.end()) return found->second;
        if (place.empty()) return 1;
        place.resize(place.rfind('/'));
    }
}

void JsonText::refuse(const std::string& place, const std::string& reason) const { refuse_at(name_, line(place), reason); }

std::string written(const OrderedJson& value) {
    return value.dump(2, ' ', false, OrderedJson::error_handler_t::replace) + "\n";
}

std::string in_quotes(const std::string& text, std::size_t most) {
    std::string shown = text;
    if (shown.size() > most) {
        shown.resize(most);
        while (!shown.empty() && (static_cast<unsigned char>(shown.back()) & 0xc0) == 0x80) shown.pop_back();
        if (!shown.empty() && static_cast<unsigned char>(shown.back()) >= 0xc0) shown.pop_back();
    }
    return "'" + shown + "'";
}

}  // namespace foleyd
