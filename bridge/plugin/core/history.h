// What pads were before they were changed, so that changes can be taken back. Bounded in steps and in memory.
#pragma once

#include <array>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "peer.h"
#include "settings.h"

namespace foleyd {

// A finished clip among those that a request brought, the seed and the recipe that made it.
struct Candidate {
    SoundPtr sound;
    int seed = -1;
    Json made = Json::object();
};

// A pad with all that undoing brings back.
struct PadState {
    int pad = 0;
    std::array<float, field_count> play{};
    SoundPtr sound;
    Json made = Json::object();
    std::vector<Candidate> candidates;
    std::optional<Json> recipe;   // where the change was to the words as well
    std::string category;         // with them
    bool locked = false;
};

class History {
public:
    static constexpr std::size_t most_steps = 100;
    static constexpr std::size_t most_bytes = std::size_t{256} << 20;   // of clips; the last step always stays
    static constexpr double together = 1.0;   // seconds in which changes of one field are one step

    // Before a change. `field` is what a drag moves again and again (Field::count: none), `time` in seconds.
    void keep(PadState before, Field field, double time);
    // What to go back (or forth) to, given how the pad of `next_undo()` (or `next_redo()`) is now.
    std::optional<PadState> undo(PadState now) { return swap(past_, future_, std::move(now)); }
    std::optional<PadState> redo(PadState now) { return swap(future_, past_, std::move(now)); }
    // The pad that it would change, and whether its words too; nothing where there is nothing to do.
    const PadState* next_undo() const { return past_.empty() ? nullptr : &past_.back(); }
    const PadState* next_redo() const { return future_.empty() ? nullptr : &future_.back(); }
    void clear();

private:
    std::optional<PadState> swap(std::deque<PadState>& from, std::deque<PadState>& to, PadState now);
    std::size_t bytes() const;

    std::deque<PadState> past_, future_;
    Field field_ = Field::count;   // of the last change, which goes on for as long as it is moved
    double moved_ = 0;
};

}  // namespace foleyd
