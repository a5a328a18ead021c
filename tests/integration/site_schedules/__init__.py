"""An app with schedules; an app that is found by its name alone, as the site's settings have it."""
