#include "tempo.h"

#include <cmath>
#include <regex>

namespace foleyd {
namespace {

// Recipes count whole beats: quarters where a bar has a whole number of them, else the time signature's own notes.
Tempo in_whole_beats(const Tempo& tempo) {
    if (tempo.beats * 4 % tempo.beat_type == 0) return {tempo.bpm, tempo.beats * 4 / tempo.beat_type, 4};
    return {tempo.bpm * tempo.beat_type / 4.0, tempo.beats, tempo.beat_type};
}

Tempo sound_tempo(const Tempo& told) {
    Tempo made = told;
    if (!(made.bpm > 0 && made.bpm < 10000)) made.bpm = Tempo{}.bpm;
    if (made.beats < 1 || made.beats > 64 || made.beat_type < 1 || made.beat_type > 64) made.beats = made.beat_type = 4;
    return made;
}

std::string said(const std::string& prompt, const Tempo& tempo) {
    const auto words = ", " + std::to_string(static_cast<int>(std::lround(tempo.bpm))) + " bpm";
    // a mixture: every part ends in a weight, before which its words end
    static const std::regex part(R"(([^|]*[^|\s:])(\s*:\s*[0-9]{1,3}(?:\.[0-9]{1,6})?\s*))");
    static const std::regex mixture(R"((?:[^|]*[^|\s:]\s*:\s*[0-9]{1,3}(?:\.[0-9]{1,6})?\s*)(?:\|[^|]*[^|\s:]\s*:\s*[0-9]{1,3}(?:\.[0-9]{1,6})?\s*)+)");
    if (prompt.size() <= 1000 && std::regex_match(prompt, mixture)) return std::regex_replace(prompt, part, "$1" + words + "$2");
    return prompt + words;
}

}  // namespace

Json in_tempo(Json recipe, const Tempo& tempo, bool words) {
    const auto sound = sound_tempo(tempo);
    if (recipe.contains("bars")) {
        const auto whole = in_whole_beats(sound);
        recipe.erase("seconds");
        recipe["bpm"] = whole.bpm;
        recipe["beats"] = whole.beats;
    }
    if (words) recipe["prompt"] = said(text_of(recipe, "prompt"), sound);
    return recipe;
}

double seconds_of(double bars, const Tempo& tempo) {
    const auto sound = sound_tempo(tempo);
    return bars * sound.beats * 4 / sound.beat_type * 60 / sound.bpm;
}

}  // namespace foleyd
