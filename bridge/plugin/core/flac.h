// Sounds as FLAC in memory, 24 bits at their own rate; what comes back is bit for bit what went in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "sound.h"

namespace foleyd {

// Throws std::runtime_error where the library refuses.
std::vector<std::uint8_t> encode_flac(const Sound& sound);

// The sound that `encode_flac` was given. Throws std::invalid_argument for what is no such file, whatever its bytes.
SoundPtr decode_flac(const std::uint8_t* data, std::size_t size, float scale, std::string id);

}  // namespace foleyd
