"""The console: screens, dialogs and widgets over a state and a controller."""
