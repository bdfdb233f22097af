from django import template

from monitoring.words import causes

register = template.Library()
register.filter("in_words", causes.in_words)
