#include "session.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "clip_name.h"
#include "flac.h"
#include "presets.h"
#include "rework.h"

namespace foleyd {
namespace {

constexpr char magic[] = "foleyd1\n";
constexpr std::size_t magic_size = sizeof magic - 1;

[[noreturn]] void damaged() { throw std::invalid_argument("The session's foleyd state is damaged."); }

// What of a pad is not as it was in the beginning; null where that is nothing. Appends what its clip needs to `blobs`.
Json pad_of(const KeptPad& kept, bool references, std::vector<std::uint8_t>& blobs) {
    Json play = Json::object();
    for (std::size_t k = 0; k < field_count; ++k)
        if (kept.play[k] != field_specs[k].usual) play[std::string(field_specs[k].name)] = kept.play[k];
    if (play.empty() && kept.recipe.empty() && kept.category.empty() && !kept.sound && kept.wanted.empty()) return {};
    Json one = {{"recipe", kept.recipe}, {"locked", kept.locked}, {"play", play}};
    if (kept.tempo_words) one["tempo_words"] = true;
    if (!kept.category.empty()) one["category"] = kept.category;
    if (!kept.wanted.empty()) {
        one["clip"] = {{"id", kept.wanted}, {"bytes", 0}};
    } else if (kept.sound) {
        one["clip"] = {{"id", kept.sound->id}, {"bytes", 0}};
        if (!kept.made.empty()) one["clip"]["made"] = kept.made;
        // what has no id is in no library: it is kept whole
        if (!references || kept.sound->id.empty()) {
            one["clip"]["scale"] = kept.sound->scale;
            one["clip"]["bytes"] = kept.sound->flac.size();
            blobs.insert(blobs.end(), kept.sound->flac.begin(), kept.sound->flac.end());
        }
    }
    return one;
}

int whole_in(const Json& whole, const char* name, int least, int most, int usual) {
    const double value = number_of(whole, name, usual);
    return static_cast<int>(value >= least && value <= most ? value : usual);
}

}  // namespace

KeptPad::KeptPad() {
    for (std::size_t k = 0; k < field_count; ++k) play[k] = field_specs[k].usual;
}

Json sound_recipe(const Json& given) {
    Json kept = Json::object();
    for (const char* name : {"prompt", "negative", "model", "scheduler", "vocoder", "level", "width"})
        if (const auto text = text_of(given, name); !text.empty()) kept[name] = text;
    for (const char* name : {"seconds", "bars", "guidance", "guidance_from", "guidance_to", "guidance_rescale", "fade_in", "fade_out"})
        if (const double value = number_of(given, name, -1); value >= 0) kept[name] = value;
    for (const char* name : {"ceiling", "loudness"})
        if (const double value = number_of(given, name, 1); value <= 0) kept[name] = value;
    if (kept.contains("bars")) kept.erase("seconds");
    if (given.is_object() && given.contains("trim") && given["trim"].is_boolean()) kept["trim"] = given["trim"];
    for (const char* name : {"seed", "steps", "rate"})
        if (const double value = number_of(given, name, -1); value >= 0 && value <= 2147483647.0)
            kept[name] = static_cast<int>(value);
    // what a preset says beyond what the editor shows
    const Json known = known_recipe(OrderedJson(given));
    for (const auto& [name, value] : known.items())
        if (!kept.contains(name) && name != "sources" && name != "revision" && name != "bpm" && name != "beats" && name != "seconds" && name != "bars" &&
            value != "" && !(name == "operation" && value == "text"))
            kept[name] = value;
    return kept;
}

std::vector<std::uint8_t> bytes_of(const Session& session) {
    Json pads = Json::array();
    std::vector<std::uint8_t> blobs;
    for (std::size_t pad = 0; pad < pad_count; ++pad) {
        Json one = pad_of(session.pads[pad], session.references, blobs);
        if (one.is_null()) continue;
        one["pad"] = pad;
        pads.push_back(std::move(one));
    }
    const Json whole = {{"master", session.master}, {"pitched", session.pitched},       {"root", session.root},
                        {"chosen", session.chosen}, {"references", session.references}, {"pads", std::move(pads)}};
    const auto text = whole.dump(-1, ' ', false, Json::error_handler_t::replace);
    std::vector<std::uint8_t> made(magic, magic + magic_size);
    for (int shift = 0; shift < 32; shift += 8) made.push_back(static_cast<std::uint8_t>(text.size() >> shift));
    made.insert(made.end(), text.begin(), text.end());
    made.insert(made.end(), blobs.begin(), blobs.end());
    return made;
}

Session read_session(const std::uint8_t* data, std::size_t size) {
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

    Session made;
    made.master = static_cast<float>(std::min(std::max(number_of(whole, "master", 0), -60.0), 12.0));
    made.pitched = whole_in(whole, "pitched", -1, pad_count - 1, -1);
    made.root = whole_in(whole, "root", 0, 127, 60);
    made.chosen = whole_in(whole, "chosen", 0, pad_count - 1, 0);
    made.references = whole.contains("references") && whole["references"] == true;
    for (const auto& one : list_of(whole, "pads")) {
        const double pad = number_of(one, "pad", -1);
        if (!(pad >= 0 && pad < pad_count)) damaged();
        auto& here = made.pads[static_cast<std::size_t>(pad)];
        here.recipe = sound_recipe(one.value("recipe", Json::object()));
        const Json play = one.value("play", Json::object());
        for (std::size_t k = 0; k < field_count; ++k)
            here.play[k] = static_cast<float>(number_of(play, std::string(field_specs[k].name).c_str(), field_specs[k].usual));
        here.locked = one.contains("locked") ? one["locked"] == true : here.recipe.contains("seed");
        const auto category = text_of(one, "category");
        here.category = is_category(category) ? category : "";
        here.tempo_words = one.contains("tempo_words") && one["tempo_words"] == true;
        const Json clip = one.value("clip", Json());
        if (!clip.is_object()) continue;
        here.made = made_recipe(clip.value("made", Json()));
        const double bytes = number_of(clip, "bytes", 0);
        if (!(bytes >= 0 && bytes <= static_cast<double>(left))) damaged();
        const auto count = static_cast<std::size_t>(bytes);
        if (count > 0) here.sound = decode_flac(blob, count, static_cast<float>(number_of(clip, "scale", 1)), text_of(clip, "id"));
        else here.wanted = text_of(clip, "id");
        blob += count;
        left -= count;
    }
    return made;
}

}  // namespace foleyd
