"""The console: screens, dialogs and widgets over one state and one controller."""
