// How a pad plays: one table of settings, and their values where both the audio thread and others reach them.
#pragma once

#include <array>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <optional>
#include <string_view>

namespace foleyd {

enum class Field {
    gain, pan, tune, attack, release, mode, choke, voices, output, mute, quantise, start, end, loop_start, loop_end,
    count
};
enum class Mode { one_shot, gate, loop, toggle };
enum class Quantum { off, beat, bar, two_bars, four_bars, eight_bars };

// `name` is the key in presets' "play" and in saved sessions; `choices` are the words that a value from 0 stands for.
struct FieldSpec {
    std::string_view name;
    float least, most, usual;
    bool whole = false;
    const std::string_view* choices = nullptr;
    std::string_view unit = "";
    std::string_view meaning = "";
};

inline constexpr std::string_view mode_names[] = {"one-shot", "gate", "loop", "toggle"};
inline constexpr std::string_view quantum_names[] = {"off", "beat", "bar", "2 bars", "4 bars", "8 bars"};
inline constexpr std::size_t field_count = static_cast<std::size_t>(Field::count);

inline constexpr std::array<FieldSpec, field_count> field_specs{{
    {"gain", -60, 12, 0, false, nullptr, "dB", "Level."},
    {"pan", -1, 1, 0, false, nullptr, "", "Balance: -1 left, 0 as it is, 1 right."},
    {"tune", -24, 24, 0, false, nullptr, "st", "Pitch by playback rate."},
    {"attack", 0, 5000, 0, false, nullptr, "ms", "Time to full level."},
    {"release", 1, 10000, 5, false, nullptr, "ms", "Time from a stop to silence."},
    {"mode", 0, 3, 0, true, mode_names, "", "What a note does."},
    {"choke", 0, 16, 0, true, nullptr, "", "Group of pads that end each other; 0 is none."},
    {"voices", 1, 16, 4, true, nullptr, "", "Notes that sound at once; the oldest fades."},
    {"output", 1, 8, 1, true, nullptr, "", "Stereo output."},
    {"mute", 0, 1, 0, true, nullptr, "", "Silent while on."},
    {"quantise", 0, 5, 0, true, quantum_names, "", "A note waits for the host's next one of these."},
    {"start", 0, 1, 0, false, nullptr, "", "Where a note starts, as a share of the clip."},
    {"end", 0, 1, 1, false, nullptr, "", "Where it ends."},
    {"loop_start", 0, 1, 0, false, nullptr, "", "Where a loop goes back to."},
    {"loop_end", 0, 1, 1, false, nullptr, "", "Where a loop goes back from."},
}};

constexpr const FieldSpec& spec(Field field) { return field_specs[static_cast<std::size_t>(field)]; }

// The field of a name; nothing for a name that is none.
inline std::optional<Field> field_named(std::string_view name) {
    for (std::size_t k = 0; k < field_count; ++k)
        if (field_specs[k].name == name) return static_cast<Field>(k);
    return std::nullopt;
}

// A value that the field takes: what is not a number is its usual one.
inline float within(Field field, float value) {
    const auto& known = spec(field);
    if (!std::isfinite(value)) return known.usual;
    if (known.whole) value = std::round(value);
    return value < known.least ? known.least : (value > known.most ? known.most : value);
}

// Read by the audio thread at any time; each value by itself is always one that was set.
class Settings {
public:
    Settings() { reset(); }
    void reset() {
        for (std::size_t k = 0; k < field_count; ++k) values_[k].store(field_specs[k].usual, std::memory_order_relaxed);
    }
    float get(Field field) const { return values_[static_cast<std::size_t>(field)].load(std::memory_order_relaxed); }
    int whole(Field field) const { return static_cast<int>(get(field)); }
    void set(Field field, float value) {
        values_[static_cast<std::size_t>(field)].store(within(field, value), std::memory_order_relaxed);
    }
    Mode mode() const { return static_cast<Mode>(whole(Field::mode)); }
    Quantum quantum() const { return static_cast<Quantum>(whole(Field::quantise)); }

private:
    std::array<std::atomic<float>, field_count> values_;
    static_assert(std::atomic<float>::is_always_lock_free);
};

}  // namespace foleyd
