#include "board.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <random>

#include "clip_name.h"
#include "samples.h"
#include "session.h"

namespace foleyd {
namespace {

int drawn_seed() {
    static std::random_device source;
    return std::uniform_int_distribution<int>(0, most_drawn_seed - 64)(source);   // candidates count up from it
}

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

Made made_of(const PadView& pad) {
    if (!pad.sound) return {};
    return {pad.sound->id, pad.made, static_cast<double>(pad.sound->frames()) / pad.sound->rate, true, size_of_samples(*pad.sound)};
}

// Operations that need another sound beside the words.
bool starts_from_sound(const std::string& operation) {
    for (const char* one : {"restyle", "inpaint", "extend", "like", "upscale"})
        if (operation == one) return true;
    return false;
}

std::string short_text(const Json& object, const char* name, std::size_t most) {
    auto text = text_of(object, name);
    if (text.size() > most) text.resize(most);
    return text;
}

LibraryRow row_of(const Json& clip) {
    LibraryRow made{short_text(clip, "clip_id", 64), short_text(clip, "name", 200), short_text(clip, "prompt", 400),
                    short_text(clip, "path", 4000), std::max(0.0, number_of(clip, "seconds", 0)), 0, 0, {}};
    const auto count = [&](const char* name) { return static_cast<int>(std::clamp(number_of(clip, name, 0), 0.0, 1e9)); };
    made.rate = count("rate");
    made.channels = count("channels");
    for (const auto& tag : list_of(clip, "tags"))
        if (tag.is_string() && made.tags.size() < 50) made.tags.push_back(tag.get<std::string>().substr(0, 80));
    return made;
}

constexpr int most_rows = 100;
constexpr std::size_t most_whereabouts = 4096;

}  // namespace

Board::Board(std::shared_ptr<Link> link) : link_(std::move(link)) {
    for (auto& pad : pads_) pad.recipe = Json::object();
    link_->join(*this);
}

Board::~Board() { link_->leave(*this); }

void Board::prepare(double rate) {
    const std::lock_guard lock(guard_);
    const bool other = rate != engine.rate();
    engine.prepare(rate);
    if (!other) return;
    for (int pad = 0; pad < pad_count; ++pad)
        if (at(pad).sound) engine.put(pad, fit(at(pad).sound, rate));
}

PadView Board::view(int pad) const {
    const std::lock_guard lock(guard_);
    return pads_[static_cast<std::size_t>(pad)];
}

void Board::set_recipe(int pad, Json recipe) {
    const std::lock_guard lock(guard_);
    at(pad).recipe = sound_recipe(recipe);
}

void Board::lock(int pad, bool locked) {
    const std::lock_guard lock(guard_);
    at(pad).locked = locked;
}

void Board::request(int pad, int count) {
    const std::lock_guard lock(guard_);
    auto& here = at(pad);
    here.failure.clear();
    if (text_of(here.recipe, "prompt").empty()) {
        here.failure = "Say first what to hear: the pad has no prompt.";
        return;
    }
    if (!here.locked || !here.recipe.contains("seed")) {
        here.recipe["seed"] = drawn_seed();
        ++here.recipes;
    }
    here.progress.under_way = true;
    link_->render(*this, pad, {{"recipe", in_tempo(here.recipe, tempo(), here.tempo_words)}}, count);
}

void Board::rework(int pad, Rework kind) {
    const std::lock_guard lock(guard_);
    auto& here = at(pad);
    here.failure = hindrance(pad, kind);
    if (!here.failure.empty()) return;
    here.progress.under_way = true;
    Json words = here.recipe;
    if (here.tempo_words) words = in_tempo(std::move(words), tempo(), true);
    // a loop has its sound's own seed: others would be of other sounds
    const bool brings = !spec(kind).from_words && here.sound->id.empty();
    link_->render(*this, pad, reworked(kind, made_of(here), words, drawn_seed()), kind == Rework::loop ? 1 : 4, brings ? here.sound : nullptr);
}

std::string Board::hindrance(int pad, Rework kind) const {
    const auto abilities = link_->abilities();
    const std::lock_guard lock(guard_);
    const auto& here = pads_[static_cast<std::size_t>(pad)];
    return foleyd::hindrance(kind, made_of(here), here.recipe, abilities);
}

void Board::say_tempo(int pad, bool words) {
    const std::lock_guard lock(guard_);
    at(pad).tempo_words = words;
}

void Board::say_category(int pad, const std::string& category) {
    const std::lock_guard lock(guard_);
    at(pad).category = is_category(category) ? category : "";
}

Tempo Board::tempo() const { return {engine.bpm.load(), engine.beats.load(), engine.beat_type.load()}; }

void Board::cancel(int pad) { link_->cancel(*this, pad); }

void Board::pick(int pad, std::size_t candidate) {
    const std::lock_guard lock(guard_);
    auto& here = at(pad);
    if (candidate >= here.candidates.size() || here.candidates[candidate].sound == here.sound) return;
    keep(pad);
    place(pad, here.candidates[candidate].sound, here.candidates[candidate].made);
}

void Board::put(int pad, SoundPtr sound) {
    const std::lock_guard lock(guard_);
    keep(pad);
    at(pad).candidates.clear();
    place(pad, std::move(sound));
}

void Board::load_preset(int pad, const std::string& bank, const Preset& preset) {
    const std::lock_guard lock(guard_);
    auto& here = at(pad);
    const auto operation = preset.recipe.value("operation", "text");
    if (starts_from_sound(operation)) {
        here.failure = "The preset " + in_quotes(preset.name) + " starts from another sound (" + operation + "): choose one made from words.";
        return;
    }
    keep(pad, Field::count, true);
    Json recipe = preset.recipe;
    if (!preset.seeds.empty()) recipe["seed"] = preset.seeds[turns_[bank + "/" + preset.name]++ % preset.seeds.size()];
    here.recipe = sound_recipe(recipe);
    here.locked = !preset.seeds.empty();
    here.category = is_category(preset.category) ? preset.category : "";
    here.failure.clear();
    ++here.recipes;
    for (const auto& [field, value] : settings_of(preset)) engine.pads[static_cast<std::size_t>(pad)].set(field, value);
}

OrderedJson Board::preset_of(int pad, const std::string& name) const {
    const std::lock_guard lock(guard_);
    const auto& here = pads_[static_cast<std::size_t>(pad)];
    const auto same = [&](const char* field, const char* usual) { return text_of(here.made, field, usual) == text_of(here.recipe, field, usual); };
    const Json said = here.recipe.contains("bars") ? in_tempo(here.recipe, tempo(), false) : here.recipe;
    OrderedJson recipe = OrderedJson::object();
    recipe["prompt"] = text_of(said, "prompt");
    const auto known = known_recipe(OrderedJson(said));
    for (const auto& [field, value] : known.items())
        if (field != "seed") recipe[field] = value;
    if (here.sound && !here.made.empty() && same("prompt", "") && same("operation", "text") && here.made.contains("seed"))
        recipe["seed"] = here.made["seed"];
    else if (here.locked && here.recipe.contains("seed"))
        recipe["seed"] = here.recipe["seed"];
    OrderedJson made = OrderedJson::object();
    made["name"] = name;
    if (!here.category.empty()) made["category"] = here.category;
    made["recipe"] = std::move(recipe);
    made["play"] = play_of(engine.pads[static_cast<std::size_t>(pad)]);
    return made;
}

void Board::search(const std::string& text) {
    const std::lock_guard lock(guard_);
    library_.failure.clear();
    library_.under_way = true;
    link_->search(*this, text, most_rows);
}

LibraryView Board::library() const {
    const std::lock_guard lock(guard_);
    return library_;
}

void Board::load_clip(int pad, const std::string& id) {
    const std::lock_guard lock(guard_);
    at(pad).failure.clear();
    at(pad).progress.under_way = true;
    link_->fetch(*this, pad, id);
}

Whereabouts Board::whereabouts(const std::string& id) const {
    const std::lock_guard lock(guard_);
    const auto found = whereabouts_.find(id);
    return found == whereabouts_.end() ? Whereabouts{} : found->second;
}

void Board::learn(const Json& info) {
    const auto row = row_of(info);
    if (!row.id.empty() && whereabouts_.size() < most_whereabouts) whereabouts_[row.id] = {row.path, row.name};
}

void Board::set(int pad, Field field, float value) {
    const std::lock_guard lock(guard_);
    auto& settings = engine.pads[static_cast<std::size_t>(pad)];
    if (within(field, value) == settings.get(field)) return;
    keep(pad, field);
    settings.set(field, value);
}

PadState Board::state_of(int pad, bool words) const {
    const auto& here = pads_[static_cast<std::size_t>(pad)];
    PadState made;
    made.pad = pad;
    for (std::size_t k = 0; k < field_count; ++k)
        made.play[k] = engine.pads[static_cast<std::size_t>(pad)].get(static_cast<Field>(k));
    made.sound = here.sound;
    made.made = here.made;
    made.candidates = here.candidates;
    if (words) made.recipe = here.recipe;
    made.category = here.category;
    made.locked = here.locked;
    return made;
}

void Board::keep(int pad, Field field, bool words) { history_.keep(state_of(pad, words), field, now()); }

void Board::restore(PadState state) {
    auto& here = at(state.pad);
    for (std::size_t k = 0; k < field_count; ++k)
        engine.pads[static_cast<std::size_t>(state.pad)].set(static_cast<Field>(k), state.play[k]);
    here.candidates = std::move(state.candidates);
    ++here.version;
    if (state.recipe) {
        here.recipe = std::move(*state.recipe);
        here.locked = state.locked;
        here.category = std::move(state.category);
        ++here.recipes;
    }
    if (state.sound != here.sound) place(state.pad, std::move(state.sound), std::move(state.made));
    chosen = state.pad;   // what comes back is seen
}

void Board::undo() {
    const std::lock_guard lock(guard_);
    if (const auto* next = history_.next_undo())
        restore(*history_.undo(state_of(next->pad, next->recipe.has_value())));
}

void Board::redo() {
    const std::lock_guard lock(guard_);
    if (const auto* next = history_.next_redo())
        restore(*history_.redo(state_of(next->pad, next->recipe.has_value())));
}

bool Board::can_undo() const {
    const std::lock_guard lock(guard_);
    return history_.next_undo() != nullptr;
}

bool Board::can_redo() const {
    const std::lock_guard lock(guard_);
    return history_.next_redo() != nullptr;
}

void Board::place(int pad, SoundPtr sound, Json made) {
    auto& here = at(pad);
    here.sound = std::move(sound);
    here.made = std::move(made);
    here.wanted.clear();
    ++here.version;
    engine.put(pad, here.sound ? fit(here.sound, engine.rate()) : nullptr);
}

std::vector<std::uint8_t> Board::save() const {
    const std::lock_guard lock(guard_);
    Session kept{engine.master, engine.pitched, engine.root, chosen, references, {}};
    for (std::size_t pad = 0; pad < pad_count; ++pad) {
        const auto& here = pads_[pad];
        auto& to = kept.pads[pad];
        to.recipe = here.recipe;
        to.made = here.made;
        to.sound = here.sound;
        to.wanted = here.wanted;
        to.category = here.category;
        to.locked = here.locked;
        to.tempo_words = here.tempo_words;
        for (std::size_t k = 0; k < field_count; ++k) to.play[k] = engine.pads[pad].get(static_cast<Field>(k));
    }
    return bytes_of(kept);
}

void Board::load(const std::uint8_t* data, std::size_t size) {
    auto kept = read_session(data, size);
    const std::lock_guard lock(guard_);
    engine.master = kept.master;
    engine.pitched = kept.pitched;
    engine.root = kept.root;
    chosen = kept.chosen;
    references = kept.references;
    generate = false;
    history_.clear();   // it was of another session
    for (int pad = 0; pad < pad_count; ++pad) {
        auto& from = kept.pads[static_cast<std::size_t>(pad)];
        auto& settings = engine.pads[static_cast<std::size_t>(pad)];
        for (std::size_t k = 0; k < field_count; ++k) settings.set(static_cast<Field>(k), from.play[k]);
        auto& here = at(pad);
        here.recipe = std::move(from.recipe);
        here.locked = from.locked;
        here.tempo_words = from.tempo_words;
        here.category = std::move(from.category);
        ++here.recipes;
        here.candidates.clear();
        here.failure.clear();
        if (from.sound || here.sound) place(pad, std::move(from.sound), std::move(from.made));
        here.wanted = from.wanted;
        if (!from.wanted.empty()) link_->fetch(*this, pad, from.wanted);
    }
}

void Board::tick() {
    engine.collect();
    if (generate.exchange(false)) request(chosen.load());
}

void Board::arrived(int pad, std::vector<SoundPtr> clips, const Json& infos) {
    const std::lock_guard lock(guard_);
    auto& here = at(pad);
    std::vector<Candidate> found;
    for (std::size_t k = 0; k < clips.size(); ++k) {
        const Json info = k < infos.size() ? infos[k] : Json();
        learn(info);
        const double seed = number_of(info, "seed", -1);
        const Json made = info.is_object() ? made_recipe(info.value("recipe", Json())) : Json::object();
        found.push_back({clips[k], seed >= 0 && seed <= 2147483647.0 ? static_cast<int>(seed) : -1, made});
    }
    // a clip of the library brings its words to a pad that has none
    const auto words = text_of(found.front().made, "prompt");
    const bool brings = here.wanted.empty() && text_of(here.recipe, "prompt").empty() && !words.empty();
    if (here.wanted.empty()) keep(pad, Field::count, brings);   // what only comes back to the session is no change
    if (brings) {
        here.recipe["prompt"] = words;
        ++here.recipes;
    }
    here.candidates = std::move(found);
    place(pad, clips.front(), here.candidates.front().made);
}

void Board::listed(const Json& reply) {
    const std::lock_guard lock(guard_);
    library_.rows.clear();
    for (const auto& clip : list_of(reply, "clips")) {
        if (library_.rows.size() >= static_cast<std::size_t>(most_rows)) break;
        auto row = row_of(clip);
        if (row.id.empty()) continue;
        learn(clip);
        library_.rows.push_back(std::move(row));
    }
    library_.total = static_cast<int>(std::clamp(number_of(reply, "total", 0), 0.0, 1e9));
    ++library_.version;
}

void Board::moved(int pad, const Progress& progress) {
    const std::lock_guard lock(guard_);
    if (pad == library_slot) library_.under_way = progress.under_way;
    else at(pad).progress = progress;
}

void Board::failed(int pad, const std::string& sentence) {
    const std::lock_guard lock(guard_);
    if (pad == library_slot) {
        library_.failure = sentence;
        ++library_.version;
    } else {
        at(pad).failure = sentence;
    }
}

}  // namespace foleyd
