#include "history.h"

#include <set>

namespace foleyd {

void History::keep(PadState before, Field field, double time) {
    const bool same = field != Field::count && field == field_ && time - moved_ < together && !past_.empty() &&
                      past_.back().pad == before.pad && future_.empty();
    field_ = field;
    moved_ = time;
    if (same) return;
    future_.clear();
    past_.push_back(std::move(before));
    while (past_.size() > 1 && (past_.size() > most_steps || bytes() > most_bytes)) past_.pop_front();
}

void History::clear() {
    past_.clear();
    future_.clear();
    field_ = Field::count;
}

std::optional<PadState> History::swap(std::deque<PadState>& from, std::deque<PadState>& to, PadState now) {
    if (from.empty()) return std::nullopt;
    auto found = std::move(from.back());
    from.pop_back();
    to.push_back(std::move(now));
    field_ = Field::count;
    return found;
}

std::size_t History::bytes() const {
    std::set<const Sound*> seen;
    std::size_t sum = 0;
    const auto count = [&](const SoundPtr& sound) {
        if (sound && seen.insert(sound.get()).second)
            sum += (sound->left.size() + sound->right.size()) * sizeof(float) + sound->flac.size();
    };
    for (const auto& state : past_) {
        count(state.sound);
        for (const auto& candidate : state.candidates) count(candidate.sound);
    }
    return sum;
}

}  // namespace foleyd
