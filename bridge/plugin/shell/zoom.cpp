#include "zoom.h"

#include <algorithm>
#include <fstream>
#include <iterator>

#include "places.h"

namespace foleyd {
namespace {

std::filesystem::path file() { return data_home("plugin") / "zoom"; }

}  // namespace

int kept_zoom() {
    int percent = usual_zoom;
    std::ifstream(file()) >> percent;
    return std::find(std::begin(zooms), std::end(zooms), percent) == std::end(zooms) ? usual_zoom : percent;
}

void keep_zoom(int percent) {
    std::error_code none;
    std::filesystem::create_directories(file().parent_path(), none);
    std::ofstream(file()) << percent << "\n";
}

}  // namespace foleyd
