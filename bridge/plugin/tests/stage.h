// An engine with outputs to look at, for tests.
#pragma once

#include <cmath>
#include <memory>
#include <vector>

#include "engine.h"
#include "samples.h"

namespace stage {

using foleyd::Engine;
using foleyd::Event;
using foleyd::Field;
using foleyd::Transport;

inline std::vector<float> sine(int frames, double hertz = 441.0, double rate = 44100.0, double loud = 0.5) {
    std::vector<float> made(static_cast<std::size_t>(frames));
    for (int k = 0; k < frames; ++k) made[static_cast<std::size_t>(k)] = static_cast<float>(loud * std::sin(2 * M_PI * hertz * k / rate));
    return made;
}

inline std::unique_ptr<foleyd::Fitted> clip(std::vector<float> left, double at = 48000, int rate = 48000,
                                            std::vector<float> right = {}) {
    return foleyd::fit(foleyd::make_sound(std::move(left), std::move(right), rate), at);
}

struct Stage {
    explicit Stage(double rate = 48000) { engine.prepare(rate); }

    // Runs `frames` in blocks of `block`; events by their frame from here on.
    void run(int frames, std::vector<Event> events = {}, int block = 256, Transport time = {}) {
        for (int at = 0; at < frames; at += block) {
            const int part = std::min(block, frames - at);
            std::vector<Event> here;
            for (auto event : events)
                if (event.frame >= at && event.frame < at + part) {
                    event.frame -= at;
                    here.push_back(event);
                }
            std::vector<std::vector<float>> sides(16, std::vector<float>(static_cast<std::size_t>(part), 9.0f));
            float* pointers[16];
            for (std::size_t side = 0; side < 16; ++side) pointers[side] = sides[side].data();
            Transport now = time;
            now.position += at * time.bpm / 60.0 / engine.rate();
            engine.process(here.data(), static_cast<int>(here.size()), now, pointers, part);
            for (std::size_t side = 0; side < 16; ++side)
                heard[side].insert(heard[side].end(), sides[side].begin(), sides[side].end());
        }
    }

    const std::vector<float>& left() const { return heard[0]; }
    // The greatest change of slope from `from` on: what a click is.
    float roughest(std::size_t from = 0, std::size_t side = 0) const {
        const auto& sound = heard[side];
        float most = 0;
        for (std::size_t k = from + 2; k < sound.size(); ++k)
            most = std::max(most, std::abs(sound[k] - 2 * sound[k - 1] + sound[k - 2]));
        return most;
    }
    std::size_t first_sound(std::size_t from = 0) const {
        for (std::size_t k = from; k < left().size(); ++k)
            if (left()[k] != 0.0f) return k;
        return left().size();
    }
    float loudest(std::size_t from, std::size_t to, std::size_t side = 0) const {
        float most = 0;
        for (std::size_t k = from; k < to && k < heard[side].size(); ++k) most = std::max(most, std::abs(heard[side][k]));
        return most;
    }

    Engine engine;
    std::vector<float> heard[16];
};

inline Event on(int frame, int pad = 0, float velocity = 1.0f) {
    return {frame, Event::Kind::on, foleyd::first_note + pad, velocity};
}
inline Event off(int frame, int pad = 0) { return {frame, Event::Kind::off, foleyd::first_note + pad, 0.0f}; }

}  // namespace stage
