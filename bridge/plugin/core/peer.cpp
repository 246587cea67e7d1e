#include "peer.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <ctime>
#include <fstream>

#include <sodium.h>
#ifndef _WIN32
#include <unistd.h>
#endif

#include "places.h"
#include "samples.h"

namespace foleyd {
namespace {

constexpr const char* delimiter = "<IDS|MSG>";

std::string hex(const unsigned char* bytes, std::size_t size) {
    std::string made(size * 2 + 1, '\0');
    sodium_bin2hex(made.data(), made.size(), bytes, size);
    made.resize(size * 2);
    return made;
}

std::string sign(const std::string& key, const std::string* frames) {
    crypto_auth_hmacsha256_state state;
    crypto_auth_hmacsha256_init(&state, reinterpret_cast<const unsigned char*>(key.data()), key.size());
    for (int k = 0; k < 4; ++k)
        crypto_auth_hmacsha256_update(&state, reinterpret_cast<const unsigned char*>(frames[k].data()), frames[k].size());
    unsigned char made[crypto_auth_hmacsha256_BYTES];
    crypto_auth_hmacsha256_final(&state, made);
    return hex(made, sizeof made);
}

std::string dump(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

[[noreturn]] void broken(const char* what) { throw std::invalid_argument(std::string("the daemon's answer ") + what); }

std::vector<float> floats(const std::string& bytes, std::size_t from, std::size_t count) {
    static_assert(std::endian::native == std::endian::little);
    std::vector<float> made(count);
    std::memcpy(made.data(), bytes.data() + from * sizeof(float), count * sizeof(float));
    return made;
}

}  // namespace

std::filesystem::path connection_file() {
    namespace fs = std::filesystem;
    if (const auto home = variable("FOLEYD_HOME"); !home.empty()) return fs::path(home) / "runtime" / "foleyd.json";
#if defined(_WIN32)
    return fs::path(variable("LOCALAPPDATA")) / "Temp" / "foleyd" / "foleyd.json";
#elif defined(__APPLE__)
    return fs::path(variable("HOME")) / "Library/Caches/TemporaryItems/foleyd/foleyd.json";
#else
    if (const auto run = variable("XDG_RUNTIME_DIR"); !run.empty()) return fs::path(run) / "foleyd" / "foleyd.json";
    const auto user = std::to_string(getuid());
    std::error_code none;
    const fs::path base = fs::path("/run/user") / user;
    return (fs::exists(base, none) ? base : fs::path("/tmp/runtime-" + user)) / "foleyd" / "foleyd.json";
#endif
}

Peer read_connection(const std::filesystem::path& path) {
    namespace fs = std::filesystem;
    std::error_code error;
    const auto state = fs::status(path, error);
    if (!fs::exists(state)) throw Unreachable("No daemon is running: start one with 'foleyd serve'.");
    const auto broken = [&](const char* why) {
        return Unreachable("The connection file " + path.string() + " " + why + ": start the daemon anew with 'foleyd serve'.");
    };
#ifndef _WIN32
    if ((state.permissions() & (fs::perms::group_all | fs::perms::others_all)) != fs::perms::none)
        throw broken("may be read by others");
#endif
    std::ifstream file(path, std::ios::binary);
    std::string raw(65537, '\0');
    file.read(raw.data(), static_cast<std::streamsize>(raw.size()));
    raw.resize(static_cast<std::size_t>(file.gcount()));
    const Json said = raw.size() > 65536 ? Json() : Json::parse(raw, nullptr, false);
    if (!said.is_object()) throw broken("is broken");
    const auto ip = text_of(said, "ip");
    if (ip.rfind("127.", 0) != 0 || ip.find_first_not_of("0123456789.") != std::string::npos)
        throw broken("names an address that is not on this machine");
    const auto port = [&](const char* name) {
        const double number = number_of(said, name, 0);
        if (!(number >= 1 && number <= 65535)) throw broken("is broken");
        return "tcp://" + ip + ":" + std::to_string(static_cast<int>(number));
    };
    Peer peer{port("shell_port"), port("iopub_port"), text_of(said, "key")};
    if (peer.key.empty()) throw broken("has no key");
    return peer;
}

std::string hex_digest(const std::string& bytes) {
    unsigned char made[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(made, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
    return hex(made, sizeof made);
}

std::string draw_id() {
    unsigned char drawn[16];
    randombytes_buf(drawn, sizeof drawn);
    return hex(drawn, sizeof drawn);
}

std::vector<std::string> pack(const std::string& key, const std::string& session, const std::string& msg_id,
                              const std::string& type, const Json& content) {
    char date[32];
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
#ifdef _WIN32
    gmtime_s(&parts, &now);
#else
    gmtime_r(&now, &parts);
#endif
    std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &parts);
    const Json header = {{"msg_id", msg_id}, {"session", session}, {"username", "plugin"},
                         {"date", date},     {"msg_type", type},   {"version", "5.4"}};
    const std::string frames[4] = {dump(header), "{}", "{}", dump(content)};
    return {delimiter, sign(key, frames), frames[0], frames[1], frames[2], frames[3]};
}

Message unpack(const std::string& key, const std::vector<std::string>& frames) {
    const auto at = std::find(frames.begin(), frames.end(), delimiter);
    if (frames.end() - at < 6) broken("is no message.");
    for (int k = 2; k < 6; ++k)
        if (at[k].size() > most_json_bytes) broken("is too long.");
    const auto signature = sign(key, &at[2]);
    if (at[1].size() != signature.size() || sodium_memcmp(at[1].data(), signature.data(), signature.size()) != 0)
        broken("is not signed with the connection file's key.");
    const Json header = Json::parse(at[2], nullptr, false), parent = Json::parse(at[3], nullptr, false);
    Message made{text_of(header, "msg_type"), text_of(parent, "msg_id"), Json::parse(at[5], nullptr, false), {}};
    if (!header.is_object() || !made.content.is_object()) broken("is no JSON object.");
    made.buffers.assign(at + 6, frames.end());
    return made;
}

std::vector<SoundPtr> clips_of(const Json& content, const std::vector<std::string>& buffers) {
    const Json told = list_of(content, "buffers");
    if (told.size() != buffers.size()) broken("has other buffers than it says.");
    std::vector<SoundPtr> made;
    for (std::size_t k = 0; k < buffers.size(); ++k) {
        const auto& info = told[k];
        const auto& bytes = buffers[k];
        const double length = number_of(info, "length", -1), frames = number_of(info, "frames", 0);
        const double channels = number_of(info, "channels", 1), rate = number_of(info, "rate", 0);
        if (length != static_cast<double>(bytes.size()) || hex_digest(bytes) != text_of(info, "sha256"))
            broken("was damaged on the way.");
        if (text_of(info, "kind") != "clip" || text_of(info, "format", "<f4") != "<f4") broken("holds no clip.");
        if ((channels != 1 && channels != 2) || frames * channels * sizeof(float) != length)
            broken("has channels or frames that do not fit its size.");
        if (!(rate >= least_rate && rate <= most_rate)) broken("has an impossible sample rate.");
        const auto count = static_cast<std::size_t>(frames);
        made.push_back(make_sound(floats(bytes, 0, count), channels == 2 ? floats(bytes, count, count) : std::vector<float>(),
                                  static_cast<int>(rate), text_of(info, "id")));
    }
    return made;
}

std::size_t size_of_samples(const Sound& sound) { return (sound.left.size() + sound.right.size()) * sizeof(float); }

std::string samples_of(const Sound& sound) {
    static_assert(std::endian::native == std::endian::little);
    std::string made;
    made.reserve(size_of_samples(sound));
    for (const auto* side : {&sound.left, &sound.right})
        made.append(reinterpret_cast<const char*>(side->data()), side->size() * sizeof(float));
    return made;
}

Json buffer_info(const Sound& sound, const std::string& samples, const char* kind, const char* id) {
    return {{"kind", kind}, {"id", id}, {"format", "<f4"}, {"length", samples.size()}, {"sha256", hex_digest(samples)},
            {"channels", sound.channels()}, {"frames", sound.frames()}, {"rate", sound.rate}};
}

std::string text_of(const Json& object, const char* name, const std::string& fallback) {
    if (!object.is_object()) return fallback;
    const auto found = object.find(name);
    return found != object.end() && found->is_string() ? found->get<std::string>() : fallback;
}

double number_of(const Json& object, const char* name, double fallback) {
    if (!object.is_object()) return fallback;
    const auto found = object.find(name);
    if (found == object.end() || !found->is_number()) return fallback;
    const double value = found->get<double>();
    return std::isfinite(value) ? value : fallback;
}

Json list_of(const Json& object, const char* name) {
    if (!object.is_object()) return Json::array();
    const auto found = object.find(name);
    return found != object.end() && found->is_array() ? *found : Json::array();
}

}  // namespace foleyd
