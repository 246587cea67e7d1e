#include "places.h"

#include <cstdlib>

namespace foleyd {

namespace fs = std::filesystem;

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
}

fs::path data_home(const std::string& kind) {
#ifdef _WIN32
    const auto user = variable("USERPROFILE");
#else
    const auto user = variable("HOME");
#endif
    auto moved = variable("FOLEYD_HOME");
    moved.erase(0, moved.find_first_not_of(" \t"));
    moved.erase(moved.find_last_not_of(" \t") + 1);
    if (moved == "~" || moved.rfind("~/", 0) == 0) moved = user + moved.substr(1);
    if (!moved.empty()) return fs::absolute(moved) / kind;
#if defined(_WIN32)
    return fs::path(variable("LOCALAPPDATA")) / "foleyd" / kind;
#elif defined(__APPLE__)
    return fs::path(user) / "Library/Application Support/foleyd" / kind;
#else
    const auto data = variable("XDG_DATA_HOME");
    return (data.find_first_not_of(' ') == std::string::npos ? fs::path(user) / ".local/share" : fs::path(data)) / "foleyd" / kind;
#endif
}

}  // namespace foleyd
