#include "board.h"

#include <cmath>
#include <cstring>
#include <random>
#include <stdexcept>

#include "flac.h"
#include "samples.h"

namespace foleyd {
namespace {

constexpr char magic[] = "foleyd1\n";
constexpr std::size_t magic_size = sizeof magic - 1;

// The fields of a recipe that sessions keep and requests send, and no others.
Json sound_recipe(const Json& given) {
    Json kept = Json::object();
    for (const char* name : {"prompt", "negative", "model"})
        if (const auto text = text_of(given, name); !text.empty()) kept[name] = text;
    for (const char* name : {"seconds", "guidance"})
        if (const double value = number_of(given, name, -1); value >= 0) kept[name] = value;
    for (const char* name : {"seed", "steps"})
        if (const double value = number_of(given, name, -1); value >= 0 && value <= 2147483647.0)
            kept[name] = static_cast<int>(value);
    return kept;
}

int drawn_seed() {
    static std::random_device source;
    return std::uniform_int_distribution<int>(0, 2147483647 - 64)(source);   // candidates count up from it
}

[[noreturn]] void damaged() { throw std::invalid_argument("The session's foleyd state is damaged."); }

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
    link_->render(*this, pad, here.recipe, count);
}

void Board::cancel(int pad) { link_->cancel(*this, pad); }

void Board::pick(int pad, std::size_t candidate) {
    const std::lock_guard lock(guard_);
    if (candidate < at(pad).candidates.size()) place(pad, at(pad).candidates[candidate].sound);
}

void Board::put(int pad, SoundPtr sound) {
    const std::lock_guard lock(guard_);
    at(pad).candidates.clear();
    place(pad, std::move(sound));
}

void Board::place(int pad, SoundPtr sound) {
    auto& here = at(pad);
    here.sound = std::move(sound);
    here.wanted.clear();
    ++here.version;
    engine.put(pad, here.sound ? fit(here.sound, engine.rate()) : nullptr);
}

std::vector<std::uint8_t> Board::save() const {
    const std::lock_guard lock(guard_);
    Json pads = Json::array();
    std::vector<std::uint8_t> blobs;
    for (int pad = 0; pad < pad_count; ++pad) {
        const auto& here = pads_[static_cast<std::size_t>(pad)];
        Json play = Json::object();
        for (std::size_t k = 0; k < field_count; ++k) {
            const float value = engine.pads[static_cast<std::size_t>(pad)].get(static_cast<Field>(k));
            if (value != field_specs[k].usual) play[std::string(field_specs[k].name)] = value;
        }
        if (play.empty() && here.recipe.empty() && !here.sound && here.wanted.empty()) continue;
        Json one = {{"pad", pad}, {"recipe", here.recipe}, {"locked", here.locked}, {"play", play}};
        if (here.sound) {
            one["clip"] = {{"id", here.sound->id}, {"bytes", 0}};
            // what has no id is in no library: it is kept whole
            if (!references || here.sound->id.empty()) {
                one["clip"]["scale"] = here.sound->scale;
                one["clip"]["bytes"] = here.sound->flac.size();
                blobs.insert(blobs.end(), here.sound->flac.begin(), here.sound->flac.end());
            }
        }
        if (!here.wanted.empty()) one["clip"] = {{"id", here.wanted}, {"bytes", 0}};
        pads.push_back(std::move(one));
    }
    const Json whole = {{"master", engine.master.load()}, {"pitched", engine.pitched.load()}, {"root", engine.root.load()},
                        {"chosen", chosen.load()},        {"references", references.load()},  {"pads", std::move(pads)}};
    const auto text = whole.dump(-1, ' ', false, Json::error_handler_t::replace);
    std::vector<std::uint8_t> made(magic, magic + magic_size);
    for (int shift = 0; shift < 32; shift += 8) made.push_back(static_cast<std::uint8_t>(text.size() >> shift));
    made.insert(made.end(), text.begin(), text.end());
    made.insert(made.end(), blobs.begin(), blobs.end());
    return made;
}

void Board::load(const std::uint8_t* data, std::size_t size) {
    if (size < magic_size + 4 || std::memcmp(data, magic, magic_size) != 0) damaged();
    std::size_t length = 0;
    for (std::size_t k = 0; k < 4; ++k) length |= static_cast<std::size_t>(data[magic_size + k]) << (8 * k);
    const std::uint8_t* text = data + magic_size + 4;
    std::size_t left = size - magic_size - 4;
    if (length > left) damaged();
    const Json whole = Json::parse(text, text + length, nullptr, false);
    if (!whole.is_object()) damaged();
    const std::uint8_t* blob = text + length;
    left -= length;

    struct Kept {
        Json recipe = Json::object(), play;
        SoundPtr sound;
        std::string wanted;   // a clip whose samples the library has
        bool locked = false;
    };
    std::array<Kept, pad_count> kept;
    for (const auto& one : list_of(whole, "pads")) {
        const double pad = number_of(one, "pad", -1);
        if (!(pad >= 0 && pad < pad_count)) damaged();
        auto& here = kept[static_cast<std::size_t>(pad)];
        here.recipe = sound_recipe(one.value("recipe", Json::object()));
        here.play = one.value("play", Json::object());
        here.locked = one.contains("locked") ? one["locked"] == true : here.recipe.contains("seed");
        const Json clip = one.value("clip", Json());
        if (!clip.is_object()) continue;
        const double bytes = number_of(clip, "bytes", 0);
        if (!(bytes >= 0 && bytes <= static_cast<double>(left))) damaged();
        const auto count = static_cast<std::size_t>(bytes);
        if (count > 0) here.sound = decode_flac(blob, count, static_cast<float>(number_of(clip, "scale", 1)), text_of(clip, "id"));
        else here.wanted = text_of(clip, "id");
        blob += count;
        left -= count;
    }

    const std::lock_guard lock(guard_);
    const auto whole_in = [&](const char* name, double least, double most, double usual) {
        const double value = number_of(whole, name, usual);
        return static_cast<int>(value >= least && value <= most ? value : usual);
    };
    engine.master = static_cast<float>(std::min(std::max(number_of(whole, "master", 0), -60.0), 12.0));
    engine.pitched = whole_in("pitched", -1, pad_count - 1, -1);
    engine.root = whole_in("root", 0, 127, 60);
    chosen = whole_in("chosen", 0, pad_count - 1, 0);
    references = whole.contains("references") && whole["references"] == true;
    generate = false;
    for (int pad = 0; pad < pad_count; ++pad) {
        auto& from = kept[static_cast<std::size_t>(pad)];
        auto& settings = engine.pads[static_cast<std::size_t>(pad)];
        settings.reset();
        for (std::size_t k = 0; k < field_count; ++k)
            settings.set(static_cast<Field>(k), static_cast<float>(number_of(
                                                    from.play, std::string(field_specs[k].name).c_str(), field_specs[k].usual)));
        auto& here = at(pad);
        here.recipe = std::move(from.recipe);
        here.locked = from.locked;
        ++here.recipes;
        here.candidates.clear();
        here.failure.clear();
        if (from.sound || here.sound) place(pad, std::move(from.sound));
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
    here.candidates.clear();
    for (std::size_t k = 0; k < clips.size(); ++k) {
        const double seed = k < infos.size() ? number_of(infos[k], "seed", -1) : -1;
        here.candidates.push_back({clips[k], seed >= 0 && seed <= 2147483647.0 ? static_cast<int>(seed) : -1});
    }
    place(pad, clips.front());
}

void Board::moved(int pad, const Progress& progress) {
    const std::lock_guard lock(guard_);
    at(pad).progress = progress;
}

void Board::failed(int pad, const std::string& sentence) {
    const std::lock_guard lock(guard_);
    at(pad).failure = sentence;
}

}  // namespace foleyd
