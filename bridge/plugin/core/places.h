// Where foleyd keeps things on this machine, as its Python side has it (foleyd.paths).
#pragma once

#include <filesystem>
#include <string>

namespace foleyd {

std::string variable(const char* name);   // of the environment; empty where it is not set

// The folder of things of one kind that must not vanish on their own, such as "presets"; it is not made.
std::filesystem::path data_home(const std::string& kind);

}  // namespace foleyd
