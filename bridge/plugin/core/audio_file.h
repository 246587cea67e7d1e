// Sounds from and to files, by libsndfile: WAV, FLAC, AIFF and OGG come in, WAV goes out. Not on the audio thread.
#pragma once

#include <filesystem>
#include <string>

#include "sound.h"

namespace foleyd {

inline constexpr double longest_file = 120.0;   // seconds

// Throws std::invalid_argument with a sentence that names the file: no audio, broken, too long, more than two channels.
SoundPtr read_sound_file(const std::filesystem::path& path);

// As 24 bit where that is all of it, as float where it is louder. Takes the place of a file of that name in one step.
// Throws std::invalid_argument with a sentence.
void write_sound_file(const std::filesystem::path& path, const Sound& sound);

}  // namespace foleyd
