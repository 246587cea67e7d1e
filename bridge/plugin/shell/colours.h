// The editor's colours, and its text from the core.
#pragma once

#include <juce_gui_basics/juce_gui_basics.h>

#include <string>

namespace foleyd {

inline const juce::Colour ground(0xff1d2126), raised(0xff2b3138), bright(0xffe8e6e0), dim(0xffa8adb3), warm(0xffe0a458), calm(0xff7fb069),
    alarm(0xffd8574a);

inline juce::String text(const std::string& utf8) { return juce::String::fromUTF8(utf8.c_str(), static_cast<int>(utf8.size())); }

}  // namespace foleyd
