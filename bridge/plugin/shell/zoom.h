// How large the window is, beside what the host asks for: of a person and a screen, so it is kept on the machine and not in
// sessions.
#pragma once

namespace foleyd {

inline constexpr int zooms[] = {75, 100, 125, 150, 175, 200, 250, 300};   // per cent
inline constexpr int usual_zoom = 100;

int kept_zoom();
void keep_zoom(int percent);   // where it cannot be written, the next window is as it was

}  // namespace foleyd
