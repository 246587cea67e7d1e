// What a host's session keeps of the pads, and its bytes.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "engine.h"
#include "peer.h"
#include "settings.h"

namespace foleyd {

struct KeptPad {
    KeptPad();
    Json recipe = Json::object();
    Json made = Json::object();   // the recipe that the clip was made by
    SoundPtr sound;
    std::string wanted;           // in the place of a sound: the id of a clip whose samples the library has
    std::string category;
    bool locked = false, tempo_words = false;
    std::array<float, field_count> play;   // by Field
};

struct Session {
    float master = 0;
    int pitched = -1, root = 60, chosen = 0;
    bool references = false;   // clips that a library has are kept by their ids alone
    std::array<KeptPad, pad_count> pads;
};

std::vector<std::uint8_t> bytes_of(const Session& session);

// Throws std::invalid_argument for what is no session; what is out of range is as usual.
Session read_session(const std::uint8_t* data, std::size_t size);

// The fields of a recipe that sessions keep and requests send, and no others.
Json sound_recipe(const Json& given);

}  // namespace foleyd
