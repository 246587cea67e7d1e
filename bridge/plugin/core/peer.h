// Where a daemon is, and its messages: signed, checked, and never trusted.
#pragma once

#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "sound.h"

namespace foleyd {

using Json = nlohmann::json;

inline constexpr std::size_t most_frame_bytes = std::size_t{64} << 20;   // of a buffer, as PROTOCOL.md has it
inline constexpr std::size_t most_json_bytes = std::size_t{4} << 20;

// What keeps the daemon out of reach, in a sentence for the user.
struct Unreachable : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct Peer {
    std::string shell, events, key;   // addresses of ZeroMQ, and the key that signs
    bool operator==(const Peer&) const = default;
};

// $FOLEYD_HOME/runtime/foleyd.json, or the operating system's place for it.
std::filesystem::path connection_file();

// Throws Unreachable: no file, readable by others, broken, or an address that is not on this machine.
Peer read_connection(const std::filesystem::path& path);

struct Message {
    std::string type, parent;    // the kind, and the msg_id that it answers
    Json content;                // always an object
    std::vector<std::string> buffers;
};

std::string hex_digest(const std::string& bytes);   // SHA-256
std::string draw_id();                              // 32 hex digits

// The frames of a request from its delimiter on.
std::vector<std::string> pack(const std::string& key, const std::string& session, const std::string& msg_id,
                              const std::string& type, const Json& content);

// Throws std::invalid_argument for what is not signed with `key` or is no message.
Message unpack(const std::string& key, const std::vector<std::string>& frames);

// Samples of the buffers that the content describes as clips, hashes and sizes checked. Throws std::invalid_argument.
std::vector<SoundPtr> clips_of(const Json& content, const std::vector<std::string>& buffers);

// A sound as the buffer of a request: its samples, and what the content says of them.
std::size_t size_of_samples(const Sound& sound);
std::string samples_of(const Sound& sound);
Json buffer_info(const Sound& sound, const std::string& samples, const char* kind, const char* id);

// Fields of untrusted objects: the fallback where a field is missing or of another kind.
std::string text_of(const Json& object, const char* name, const std::string& fallback = {});
double number_of(const Json& object, const char* name, double fallback);
Json list_of(const Json& object, const char* name);

}  // namespace foleyd
