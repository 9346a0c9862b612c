-- Sandbox, part 4 of 4: existing learners, so that there is always something real to look at, and
-- something that has to survive.
--
-- 60 learners and 2 admins of a dermatopathology course; 48 published questions, 4 drafts, 1 in
-- review and 1 archived; about 1,500 answers over the last 14 weeks. Uneven on purpose: popular and
-- rare questions, keen and idle learners, missing durations, lesion tags in mixed case and spacing,
-- questions without a lesion or a topic, answers to a question that was withdrawn later.
-- Deterministic: everything but "now" comes from md5. Applied by the superuser, once.

begin;

-- A number in [0, 1) that depends on the key alone.
create function pg_temp.chance(key text) returns double precision language sql immutable as $$
  select ('x' || left(md5(key), 8))::bit(32)::bigint / 4294967296.0
$$;

-- As the auth server itself writes them, but for one: without instance_id the API does not list it,
-- so that users counted there and in SQL differ, as they do where a project has made some by SQL.
insert into auth.users
  (instance_id, id, aud, role, email, encrypted_password, confirmation_token, recovery_token,
   email_change_token_new, email_change, email_confirmed_at, last_sign_in_at, raw_app_meta_data,
   raw_user_meta_data, created_at, updated_at)
select
  case when who.name <> 'Zsofia Nagy' then '00000000-0000-0000-0000-000000000000'::uuid end,
  md5('learner ' || who.name)::uuid,
  'authenticated', 'authenticated',
  replace(lower(who.name), ' ', '.') || '@learners.example.org',
  '', '', '', '', '',
  joined.at, now() - pg_temp.chance('seen ' || who.name) * interval '9 days',
  '{"provider": "email", "providers": ["email"]}',
  jsonb_build_object('alias', case who.name
    when 'Ruth Adeyemi' then 'heatmap-ruth'
    else lower(split_part(who.name, ' ', 1)) || '-' || who.nr end),
  joined.at, joined.at
from unnest(array[
  'Ada Lindqvist', 'Amir Haddad', 'Anouk Visser', 'Beatriz Moreno', 'Bram de Wit', 'Camille Roux',
  'Chidi Eze', 'Clara Jensen', 'Daniel Okafor', 'Dina Farouk', 'Elif Kaya', 'Emma Novak',
  'Esther Mensah', 'Fatima Zahra', 'Felix Braun', 'Gita Raman', 'Grace Muriuki', 'Hanna Virtanen',
  'Hugo Martins', 'Ines Duarte', 'Ivan Petrov', 'Jana Kovar', 'Jonas Weber', 'Joy Nakamura',
  'Karim Benali', 'Katja Horvat', 'Lara Conti', 'Leon Fischer', 'Li Wei', 'Lucia Romano',
  'Maja Nowak', 'Marco Bianchi', 'Mei Tanaka', 'Milan Jovic', 'Nadia Rahman', 'Nils Berg',
  'Noor Ahmed', 'Olga Sokolova', 'Omar Saleh', 'Paula Reyes', 'Pia Larsen', 'Priya Nair',
  'Quentin Leroy', 'Rafael Costa', 'Rosa Alvarez', 'Ruth Adeyemi', 'Sam Oduya', 'Sara Lund',
  'Sofia Greco', 'Tariq Aziz', 'Thea Moen', 'Tomas Havel', 'Uma Iyer', 'Vera Popescu',
  'Viktor Olsen', 'Wanda Zielinska', 'Yara Costa', 'Yusuf Demir', 'Zoe Marsh', 'Zsofia Nagy',
  'Helen Marchetti', 'Otto Brandt'
]) with ordinality as who (name, nr)
cross join lateral (
  select now() - interval '15 weeks' - pg_temp.chance('joined ' || who.name) * interval '80 days'
) as joined (at);

insert into auth.identities
  (provider_id, user_id, identity_data, provider, last_sign_in_at, created_at, updated_at)
select a.id, a.id,
  jsonb_build_object('sub', a.id, 'email', a.email, 'email_verified', true,
    'phone_verified', false),
  'email', a.last_sign_in_at, a.created_at, a.updated_at
from auth.users a;

update public.app_users u set role = 'admin'
from auth.users a
where a.id = u.id
  and a.email in ('helen.marchetti@learners.example.org', 'otto.brandt@learners.example.org');

create temporary table item on commit drop as
select i.nr, i.lesion, i.topic, i.stem,
  case when i.nr <= 48 then 'published' when i.nr <= 52 then 'draft'
    when i.nr = 53 then 'review' else 'archived' end::public.item_status as status
from (values
  (1, 'Melanoma', 'Melanocytic', 'Asymmetric compound lesion with pagetoid spread'),
  (2, 'melanoma', 'Melanocytic', 'Nodular dermal proliferation with mitoses at the base'),
  (3, ' Melanoma ', 'Melanocytic', 'Atypical melanocytes along the eccrine duct'),
  (4, 'MELANOMA', 'Melanocytic', 'Desmoplastic spindle cells with lymphoid nodules'),
  (5, 'Spitz nevus', 'Melanocytic', 'Large epithelioid cells with Kamino bodies'),
  (6, 'Spitz  Nevus', 'Melanocytic', 'Symmetric vertical nests in a child of six'),
  (7, 'Blue nevus', 'Melanocytic', 'Dendritic pigmented cells in a sclerotic dermis'),
  (8, 'Dysplastic nevus', 'Melanocytic', 'Bridging of rete ridges and lamellar fibroplasia'),
  (9, 'dysplastic nevus', 'Melanocytic', 'Shoulder phenomenon beside a compound nevus'),
  (10, 'Halo nevus', 'Melanocytic', 'Nests within a dense band of lymphocytes'),
  (11, 'Lentigo maligna', 'Melanocytic', 'Confluent single melanocytes on solar elastosis'),
  (12, 'Basal cell carcinoma', 'Keratinocytic', 'Palisading basaloid islands with clefts'),
  (13, 'basal cell carcinoma', 'Keratinocytic', 'Infiltrating thin cords in sclerotic stroma'),
  (14, E'Basal\tcell carcinoma', 'Keratinocytic', 'Superficial buds from the epidermis'),
  (15, 'Squamous cell carcinoma', 'Keratinocytic', 'Keratin pearls and invasion of the dermis'),
  (16, 'SQUAMOUS CELL CARCINOMA', 'Keratinocytic', 'Acantholytic nests with pseudoglands'),
  (17, 'Actinic keratosis', 'Keratinocytic', 'Alternating ortho- and parakeratosis'),
  (18, 'Bowen disease', 'Keratinocytic', 'Full-thickness atypia, windblown'),
  (19, 'Keratoacanthoma', 'Keratinocytic', 'Crateriform lesion that grew within six weeks'),
  (20, 'Seborrheic keratosis', 'Keratinocytic', 'Horn pseudocysts in an acanthotic plaque'),
  (21, 'Merkel cell carcinoma', 'Keratinocytic', 'Small blue cells, dot-like CK20'),
  (22, 'Psoriasis', 'Inflammatory', 'Confluent parakeratosis with neutrophils'),
  (23, 'psoriasis ', 'Inflammatory', 'Regular acanthosis and thin suprapapillary plates'),
  (24, 'Lichen planus', 'Inflammatory', 'Saw-tooth rete ridges and a band-like infiltrate'),
  (25, 'Lichen  planus', 'Inflammatory', 'Wedge-shaped hypergranulosis'),
  (26, 'Spongiotic dermatitis', 'Inflammatory', 'Intraepidermal vesicles with lymphocytes'),
  (27, 'Lupus erythematosus', 'Inflammatory', 'Interface change, mucin, deep infiltrate'),
  (28, 'Dermatomyositis', 'Inflammatory', 'Subtle interface change with abundant mucin'),
  (29, 'Granuloma annulare', 'Inflammatory', 'Palisaded histiocytes round mucin'),
  (30, 'Sarcoidosis', 'Inflammatory', 'Naked granulomas'),
  (31, 'Urticaria', 'Inflammatory', 'Dermal oedema with sparse eosinophils'),
  (32, 'Bullous pemphigoid', 'Vesiculobullous', 'Subepidermal split rich in eosinophils'),
  (33, 'bullous pemphigoid', 'Vesiculobullous', 'Linear IgG and C3 at the basement membrane'),
  (34, 'Pemphigus vulgaris', 'Vesiculobullous', 'Suprabasal acantholysis, tombstones'),
  (35, 'Dermatitis herpetiformis', 'Vesiculobullous', 'Neutrophils in the dermal papillae'),
  (36, 'Linear IgA disease', 'Vesiculobullous', 'Subepidermal split with neutrophils'),
  (37, 'Dermatofibroma', 'Soft tissue', 'Storiform spindle cells trapping collagen'),
  (38, 'DFSP', 'Soft tissue', 'Honeycomb infiltration of fat, CD34 positive'),
  (39, 'Kaposi sarcoma', 'Soft tissue', 'Slit-like vessels and the promontory sign'),
  (40, 'Angiosarcoma', 'Soft tissue', 'Dissecting vascular channels on the scalp'),
  (41, 'Neurofibroma', 'Soft tissue', 'Wavy nuclei in a myxoid matrix'),
  (42, 'Leishmaniasis', 'Infectious', 'Amastigotes along the rim of vacuoles'),
  (43, 'Molluscum contagiosum', 'Infectious', 'Henderson-Patterson bodies'),
  (44, 'Verruca vulgaris', 'Infectious', 'Koilocytes beneath church-spire papillae'),
  (45, 'Mycosis fungoides', null, 'Epidermotropic lymphocytes in a lining pattern'),
  (46, null, 'Technique', 'Which stain shows elastic fibres?'),
  (47, '   ', 'Technique', 'Which fixative suits direct immunofluorescence?'),
  (48, null, null, 'Orientation of a tangentially cut specimen'),
  (49, 'Melanoma', 'Melanocytic', 'Draft: nevoid melanoma'),
  (50, 'Sebaceous carcinoma', 'Adnexal', 'Draft: pagetoid spread in the eyelid'),
  (51, 'Pilomatricoma', 'Adnexal', 'Draft: ghost cells'),
  (52, null, 'Adnexal', 'Draft: choose the adnexal line'),
  (53, 'Trichoepithelioma', 'Adnexal', 'In review: papillary mesenchymal bodies'),
  (54, 'Spitz nevus', 'Melanocytic', 'Withdrawn: outdated nomenclature')
) as i (nr, lesion, topic, stem);

insert into public.questions
  (id, slug, status, stem_md, lead_in, explanation_brief_md, topic, lesion, difficulty_target,
   bloom, updated_at)
select
  md5('question ' || i.nr)::uuid,
  'dp-' || to_char(i.nr, 'FM000') || '-'
    || btrim(regexp_replace(lower(i.stem), '[^a-z0-9]+', '-', 'g'), '-'),
  i.status, i.stem || '.', 'What is the most likely answer?', 'See the course notes.',
  i.topic, i.lesion, 1 + floor(5 * pg_temp.chance('difficulty ' || i.nr))::integer,
  (array['remember', 'understand', 'apply', 'analyse'])[1 + i.nr % 4],
  now() - interval '15 weeks'
from item i;

insert into public.responses
  (id, user_id, question_id, is_correct, ms_to_answer, flagged, created_at)
select
  md5('response ' || pair.key)::uuid, u.id, md5('question ' || i.nr)::uuid,
  pg_temp.chance('correct ' || pair.key)
    < 0.35 + 0.5 * pg_temp.chance('ease ' || i.nr) + 0.15 * pg_temp.chance('skill ' || u.id),
  case when pg_temp.chance('timed ' || pair.key) > 0.08
    then 3000 + floor(90000 * pg_temp.chance('ms ' || pair.key) ^ 2)::integer end,
  pg_temp.chance('flag ' || pair.key) < 0.04,
  least(
    -- Some days ago, at an hour when people study.
    date_trunc('day', now(), 'UTC')
      - floor(98 * pg_temp.chance('day ' || pair.key)) * interval '1 day'
      + interval '6 hours' + pg_temp.chance('hour ' || pair.key) * interval '16 hours',
    now() - pg_temp.chance('minute ' || pair.key) * interval '3 hours'
  )
from item i
cross join public.app_users u
cross join lateral (select i.nr || ' ' || u.id) as pair (key)
where i.status in ('published', 'archived')
  and u.role = 'student'
  and pg_temp.chance('answers ' || pair.key)
    < (0.2 + 1.0 * pg_temp.chance('popular ' || i.nr) ^ 1.2)
    * (0.45 + 0.9 * pg_temp.chance('keen ' || u.id));

commit;

analyze public.app_users, public.questions, public.responses, public.answer_events;
