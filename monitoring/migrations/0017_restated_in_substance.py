"""Changes of the past are kept: their author, time and approval, and the earlier figures."""

from pathlib import Path

import django.core.validators
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('monitoring', '0016_time_zones_of_days'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='UptimeRecordVersion',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('date', models.DateField()),
                ('replaced_at', models.DateTimeField()),
                ('cause', models.TextField(choices=[('restated', 'a restatement was approved'), ('maintenance', 'maintenance was entered or changed'), ('paused', 'a pause was entered or changed'), ('rules', 'the accounting rules changed'), ('checks', 'its checks were accounted again')])),
                ('status', models.CharField(choices=[('o', 'Operational'), ('po', 'Partial outage'), ('mo', 'Major outage'), ('nd', 'No data'), ('e', 'Not yet monitored')], max_length=2)),
                ('uptime_percentage', models.DecimalField(decimal_places=2, max_digits=5, null=True)),
                ('coverage_percentage', models.DecimalField(decimal_places=2, max_digits=5, null=True)),
                ('operational_s', models.IntegerField()),
                ('partial_s', models.IntegerField()),
                ('down_s', models.IntegerField()),
                ('unknown_s', models.IntegerField()),
                ('maintenance_s', models.IntegerField()),
                ('paused_s', models.IntegerField()),
                ('empty_s', models.IntegerField()),
            ],
            options={
                'db_table': 'uptime_record_versions',
            },
        ),
        migrations.RemoveConstraint(
            model_name='accountingpolicy',
            name='accounting_policies_in_range',
        ),
        migrations.AddField(
            model_name='accountingpolicy',
            name='late_maintenance',
            field=models.TextField(choices=[('count', 'accounted as measured'), ('restate', 'excluded, and shown as entered late')], default='restate', db_default='restate', verbose_name='maintenance entered later'),
        ),
        # Versions that are in the books leave out late maintenance, as they always did; new ones count it.
        migrations.AlterField(
            model_name='accountingpolicy',
            name='late_maintenance',
            field=models.TextField(choices=[('count', 'accounted as measured'), ('restate', 'excluded, and shown as entered late')], default='count', db_default='count', verbose_name='maintenance entered later'),
        ),
        migrations.AddField(
            model_name='accountingpolicy',
            name='maintenance_notice_hours',
            field=models.SmallIntegerField(db_default=0, default=0, validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(2160)], verbose_name='notice of maintenance (hours)'),
        ),
        migrations.AddField(
            model_name='restatement',
            name='is_self_approved',
            field=models.BooleanField(db_default=False, default=False, editable=False, verbose_name='self-approved'),
        ),
        migrations.RunSQL(
            "UPDATE restatements SET is_self_approved = TRUE WHERE is_approved AND proposed_by_id = decided_by_id",
            migrations.RunSQL.noop,
        ),
        migrations.AddField(
            model_name='span',
            name='replaced_at',
            field=models.DateTimeField(blank=True, null=True, verbose_name='in force until'),
        ),
        migrations.AddField(
            model_name='span',
            name='replaced_by',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='span',
            name='replacement',
            field=models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='earlier', to='monitoring.span'),
        ),
        migrations.RemoveConstraint(model_name='span', name='spans_one_open_pause'),
        migrations.AddConstraint(
            model_name='span',
            constraint=models.UniqueConstraint(
                condition=models.Q(('kind', 'paused'), ('replaced_at', None), ('until', None)),
                fields=('service',),
                name='spans_one_open_pause',
            ),
        ),
        migrations.AlterField(
            model_name='span',
            name='created_at',
            field=models.DateTimeField(default=django.utils.timezone.now, verbose_name='entered'),
        ),
        migrations.AddConstraint(
            model_name='accountingpolicy',
            constraint=models.CheckConstraint(condition=models.Q(('failure_threshold__gte', 1), ('gap_factor__gte', 1), ('late_maintenance__in', ['count', 'restate']), ('maintenance_notice_hours__range', (0, 2160)), ('major_below__range', (0, 100)), ('partial_weight_percent__range', (0, 100)), ('recovery_threshold__gte', 1), ('version__gte', 1)), name='accounting_policies_in_range'),
        ),
        migrations.AddConstraint(
            model_name='restatement',
            constraint=models.CheckConstraint(condition=models.Q(('is_approved', True), ('is_self_approved', False), ('proposed_by', models.F('decided_by')), _negated=True), name='restatements_say_self_approved'),
        ),
        migrations.AddConstraint(
            model_name='span',
            constraint=models.CheckConstraint(condition=models.Q(('replaced_at', None), ('replaced_at__gte', models.F('created_at')), _connector='OR'), name='spans_replaced_later'),
        ),
        migrations.AddField(
            model_name='uptimerecordversion',
            name='service',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='monitoring.service'),
        ),
        migrations.AddIndex(
            model_name='uptimerecordversion',
            index=models.Index(fields=['service', 'date'], name='uptime_record_versions_of_day'),
        ),
        migrations.AddConstraint(
            model_name='uptimerecordversion',
            constraint=models.CheckConstraint(condition=models.Q(('cause__in', ['restated', 'maintenance', 'paused', 'rules', 'checks'])), name='uptime_record_versions_cause_known'),
        ),
        migrations.RunSQL(
            (Path(__file__).parent.parent / "sql" / "record_versions_stay.sql").read_text(),
            "DROP TRIGGER uptime_record_versions_stay ON uptime_record_versions;"
            "DROP FUNCTION refuse_record_version_change()",
        ),
    ]
