#include "clip_name.h"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <vector>

namespace foleyd {
namespace {

// Signs from `first` to `last`, each `step` apart, that become the one `shift` further on.
struct SignRun {
    int first, last, step, shift;
};
struct SpeltSign {
    int sign;
    std::string_view text;
};

#include "name_signs.inc"

constexpr std::size_t longest_slug = 48;   // signs
constexpr int no_sign = -1;
constexpr std::string_view creator = "foleyd", source = "plugin";

template <std::size_t count>
const SignRun* run_of(const SignRun (&runs)[count], int sign) {
    // runs of every second sign lie between others: the one before may hold it, too
    auto found = std::upper_bound(std::begin(runs), std::end(runs), sign, [](int one, const SignRun& run) { return one < run.first; });
    for (int back = 0; back < 2 && found != std::begin(runs); ++back) {
        --found;
        if (sign <= found->last && (sign - found->first) % found->step == 0) return found;
    }
    return nullptr;
}

template <std::size_t count>
const SpeltSign* spelt_of(const SpeltSign (&signs)[count], int sign) {
    const auto found = std::lower_bound(std::begin(signs), std::end(signs), sign, [](const SpeltSign& one, int at) { return one.sign < at; });
    return found != std::end(signs) && found->sign == sign ? found : nullptr;
}

// The code points of UTF-8; `no_sign` for what is none.
std::vector<int> signs_of(std::string_view text) {
    std::vector<int> made;
    for (std::size_t at = 0; at < text.size();) {
        const auto head = static_cast<unsigned char>(text[at]);
        const std::size_t more = head < 0x80 ? 0 : head >= 0xf0 && head < 0xf8 ? 3 : head >= 0xe0 ? 2 : 1;
        int sign = more == 0 ? head : head & (0x3f >> more);
        bool good = head < 0x80 || (head >= 0xc2 && head < 0xf5);
        for (std::size_t k = 1; good && k <= more; ++k) {
            good = at + k < text.size() && (text[at + k] & 0xc0) == 0x80;
            if (good) sign = sign << 6 | (text[at + k] & 0x3f);
        }
        made.push_back(good ? sign : no_sign);
        at += good ? more + 1 : 1;
    }
    return made;
}

void append(std::string& text, int sign) {
    const auto tail = [&](int shift) { text += static_cast<char>(0x80 | (sign >> shift & 0x3f)); };
    if (sign < 0x80) {
        text += static_cast<char>(sign);
    } else if (sign < 0x800) {
        text += static_cast<char>(0xc0 | sign >> 6);
        tail(0);
    } else if (sign < 0x10000) {
        text += static_cast<char>(0xe0 | sign >> 12);
        tail(6), tail(0);
    } else {
        text += static_cast<char>(0xf0 | sign >> 18);
        tail(12), tail(6), tail(0);
    }
}

// As Python's str.title() has it: a letter behind one that has cases stays small.
std::string title_of(const std::string& words) {
    std::string made;
    bool inside = false;
    for (const int sign : signs_of(words)) {
        const auto* run = run_of(title_runs, sign);
        const auto* spelt = spelt_of(spelt_titles, sign);
        if (!inside && spelt != nullptr) made += spelt->text;
        else append(made, !inside && run != nullptr ? sign + run->shift : sign);
        inside = run != nullptr || spelt != nullptr;
    }
    return made;
}

std::string cut(const std::string& name) {
    const auto signs = signs_of(name);
    if (signs.size() <= longest_slug) return name;
    const auto end = signs.begin() + longest_slug + 1;
    const auto dash = std::find(std::make_reverse_iterator(end), signs.rend(), '-');
    std::string made;
    std::for_each(signs.begin(), dash == signs.rend() ? end - 1 : dash.base() - 1, [&](int sign) { append(made, sign); });
    return made;
}

}  // namespace

bool is_category(const std::string& text) {
    const auto upper = [](char one) { return one >= 'A' && one <= 'Z'; };
    const auto letter = [&](char one) { return upper(one) || (one >= 'a' && one <= 'z'); };
    return text.size() >= 4 && text.size() <= 12 && upper(text[0]) && upper(text[1]) && std::all_of(text.begin(), text.end(), letter);
}

std::string slug_of(const std::string& words) {
    std::string name;
    bool apart = false;
    const auto put = [&](auto&& piece) {
        if (apart && !name.empty()) name += '-';
        apart = false;
        piece();
    };
    for (const int sign : signs_of(words)) {
        if (const auto* run = run_of(folded_runs, sign)) {
            put([&] { append(name, sign + run->shift); });
        } else if (const auto* spelt = spelt_of(spelt_signs, sign)) {
            for (const char one : spelt->text) {
                if (one == ' ') apart = true;
                else put([&] { name += one; });
            }
        } else if (run_of(dropped_runs, sign) == nullptr) {
            apart = true;
        }
    }
    return name.empty() ? "sound" : cut(name);
}

std::string clip_name(const std::string& words, const std::string& category, int number) {
    std::string counted = number < 10 ? "0" : "";
    counted.append(std::to_string(number));
    auto name = slug_of(words);
    if (category.empty()) return name + "-" + counted;
    std::replace(name.begin(), name.end(), '-', ' ');
    std::string made = category;
    made.append("_").append(title_of(name)).append(" ").append(counted);
    return made.append("_").append(creator).append("_").append(source);
}

}  // namespace foleyd
