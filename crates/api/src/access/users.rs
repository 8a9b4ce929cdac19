//! The people who use Tandem.

use actix_web::{get, patch, post};
use serde::{Deserialize, Serialize};
use tandem_domain::access::account::{LastAdmin, User, UserEdit};
use tandem_domain::access::change::AccessChange;
use tandem_domain::access::{Actor, Role, Scope};
use tandem_domain::fault::Fault;
use tandem_domain::id::UserId;
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::identity::Email;
use tandem_domain::record::Plain;
use tandem_store as store;
use tandem_store::access::users::UserFilter;
use tandem_store::access::{invitations, lock_accounts, sessions, users};
use utoipa::{IntoParams, ToSchema};

use super::Gate;
use super::scopes::{UsersManage, UsersRead};
use super::{after, name, password_faults, taken};
use crate::edge::crypto::hex;
use crate::edge::crypto::password::Passwords;
use crate::edge::crypto::secret::OneTimeToken;
use crate::edge::ctx::Ctx;
use crate::edge::http::faults::refuse;
use crate::edge::http::filter::emails;
use crate::edge::http::json::{Json, MergePatch};
use crate::edge::http::listing::{DEFAULT_LIMIT, Listing};
use crate::edge::http::problem::{Code, Problem};
use crate::edge::http::query::{Path, Query};
use crate::edge::http::reply::{Created, Reply, Tagged, etag};

const HOUR: i64 = 3_600_000;
/// How long an invitation is good, in milliseconds: a week.
const INVITATION: i64 = 7 * 24 * HOUR;
/// How long a reset token is good, in milliseconds: a day.
const RESET: i64 = 24 * HOUR;

/// A user of Tandem.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UserView {
    /// Its id.
    id: UserId,
    /// The user's e-mail, with which it logs in, in canonical form.
    #[schema(max_length = 320, example = "ada@example.com")]
    email: String,
    /// The name that people see.
    #[schema(max_length = 200, example = "Ada Lovelace")]
    name: String,
    /// The user's role.
    role: Role,
    /// Whether the user has the rights of an admin in addition to its role.
    admin: bool,
    /// Whether the user is disabled and cannot log in.
    disabled: bool,
    /// When it was created.
    created_at: Timestamp,
    /// When it last changed.
    updated_at: Timestamp,
    /// The invitation token for `/v1/auth/accept`, valid for a week. Shown once, when a user is created without a
    /// password.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(
        max_length = 128,
        example = "tdm_it_Q3mJ5vXy8ZbR1nWc0sKtLpHd6FgA2eU7iOqB4xT9zNk"
    )]
    invitation_token: Option<String>,
}

impl From<User> for UserView {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            email: user.email,
            name: user.name,
            role: user.role,
            admin: user.admin,
            disabled: user.disabled_at.is_some(),
            created_at: user.created_at,
            updated_at: user.updated_at,
            invitation_token: None,
        }
    }
}

/// A user to create.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateUser {
    /// The e-mail to log in with.
    #[schema(min_length = 3, max_length = 320, example = "grace@example.com")]
    email: String,
    /// The name that people see.
    #[schema(min_length = 1, max_length = 200, example = "Grace Hopper")]
    name: String,
    /// The user's role.
    role: Role,
    /// Whether the user has the rights of an admin in addition to its role (for small firms).
    #[serde(default)]
    #[schema(default = false)]
    admin: bool,
    /// The password. Without one the answer contains an invitation token, shown once.
    #[schema(min_length = 10, max_length = 256, example = "correct horse battery staple")]
    password: Option<String>,
}

/// The changes of a user; omitted members stay.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct UpdateUser {
    /// The name that people see.
    #[serde(default)]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 200, example = "Grace Hopper")]
    name: Option<String>,
    /// The user's role.
    #[serde(default)]
    #[schema(value_type = Role, required = false)]
    role: Option<Role>,
    /// Whether the user has the rights of an admin in addition to its role.
    #[serde(default)]
    #[schema(value_type = bool, required = false)]
    admin: Option<bool>,
    /// Whether the user is disabled: it cannot log in, and its sessions end at once.
    #[serde(default)]
    #[schema(value_type = bool, required = false)]
    disabled: Option<bool>,
}

/// A token by which a user sets a password.
#[derive(Serialize, ToSchema)]
struct ResetTokenView {
    /// The token for `/v1/auth/accept`, shown once.
    #[schema(
        max_length = 128,
        example = "tdm_it_Q3mJ5vXy8ZbR1nWc0sKtLpHd6FgA2eU7iOqB4xT9zNk"
    )]
    reset_token: Option<String>,
    /// When the token expires.
    expires_at: Timestamp,
}

/// One user.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct UserPath {
    /// The user's id.
    user_id: UserId,
}

/// Which users.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct UserQuery {
    /// Users with exactly this e-mail, ignoring case.
    #[param(min_length = 3, max_length = 320, example = "ada@example.com")]
    email: Option<String>,
    /// Users with this role.
    role: Option<Role>,
    /// `true`: only disabled users; `false`: only enabled ones.
    disabled: Option<bool>,
    /// The most items of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u64>,
    /// Where the page begins: `next_cursor` of the previous page.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

/// Create a user.
///
/// A key cannot create admins, nor users with scopes that it lacks itself. Without a password the answer contains an
/// invitation token, shown once; a repetition with the same Idempotency-Key shows `null` instead.
#[utoipa::path(tag = "users", security(("bearer" = [UsersManage])), request_body = CreateUser,
    responses((status = 201, description = "The user", body = UserView,
        headers(("ETag" = String, description = "The user's version"), ("Location" = String, description = "The URL of the new record")))))]
#[post("/v1/users")]
pub(super) async fn create_user(ctx: Ctx<UsersManage>, body: Json<CreateUser>) -> Reply<Created<UserView>> {
    let body = body.0;
    let mut faults = body
        .password
        .iter()
        .flat_map(|password| password_faults("/password", password, [&body.email, &body.name]))
        .collect();
    let name = name(&body.name, &mut faults);
    let email = Email::parse(&body.email);
    faults.extend(
        email
            .as_ref()
            .err()
            .map(|error| Fault::new("/email", "invalid_format", error)),
    );
    refuse(faults)?;
    check_rights(&ctx, body.role, body.admin)?;
    let email = email
        .map_err(|_| Problem::new(Code::ValidationFailed))?
        .as_str()
        .to_owned();
    let hash = match body.password {
        Some(password) => Some(ctx.part::<Passwords>().hash(password).await?),
        None => None,
    };

    let tx = ctx.begin().await?;
    lock_accounts(&tx).await?;
    if users::find_by_email(&tx, &email).await?.is_some() {
        return Err(Problem::new(Code::AlreadyExists));
    }
    let now = ctx.now();
    let (role, admin) = (body.role, body.admin);
    let id = tx.act().ids.next();
    let user = User {
        id,
        version: 1,
        email,
        name,
        role,
        admin,
        disabled_at: None,
        created_at: now,
        updated_at: now,
    };
    store::write_records(&tx, [user.created()]).await.map_err(taken)?;
    let invitation_token = match hash {
        Some(hash) => {
            users::set_password(&tx, user.id, hash).await?;
            None
        }
        None => Some(invite(&tx, user.id, now.plus_millis(INVITATION)).await?),
    };
    let location = format!("/v1/users/{}", user.id);
    let view = UserView {
        invitation_token,
        ..UserView::from(user)
    };
    let answer = Created::at(location, view)
        .tagged(etag(1, 0))
        .shown_once(&["invitation_token"]);
    ctx.commit(tx, answer).await
}

/// List users.
///
/// In creation order.
#[utoipa::path(tag = "users", security(("bearer" = [UsersRead])), params(UserQuery),
    responses((status = 200, description = "A page of users", body = Listing<UserView>)))]
#[get("/v1/users")]
pub(super) async fn list_users(ctx: Ctx<UsersRead>, query: Query<UserQuery>) -> Reply<Listing<UserView>> {
    let query = query.0;
    let after = after(&ctx, query.cursor.as_deref())?;
    let email = emails(query.email.into_iter().collect())?.pop();
    let filter = UserFilter {
        email,
        role: query.role,
        disabled: query.disabled,
    };
    let page = users::list(ctx.db(), &filter, after, query.limit.unwrap_or(DEFAULT_LIMIT)).await?;
    Ok(Listing::of(
        &ctx.master,
        ctx.request(),
        page,
        |user| user.id,
        UserView::from,
    ))
}

/// Read a user.
#[utoipa::path(tag = "users", security(("bearer" = [UsersRead])), params(UserPath),
    responses((status = 200, description = "The user", body = UserView,
        headers(("ETag" = String, description = "The user's version")))))]
#[get("/v1/users/{user_id}")]
pub(super) async fn get_user(ctx: Ctx<UsersRead>, path: Path<UserPath>) -> Reply<Tagged<UserView>> {
    let user = users::get(ctx.db(), path.0.user_id).await?;
    Ok(Tagged::new(etag(user.version, 0), user.into()))
}

/// Update a user: its name, its role, whether it administers, whether it may log in.
///
/// A key cannot grant rights that it lacks itself, nor change an admin. A change of rights takes effect on every
/// replica within a second. The last administrator who can log in cannot be removed: 409 `last_admin`.
#[utoipa::path(tag = "users", security(("bearer" = [UsersManage])), params(UserPath), request_body = UpdateUser,
    responses((status = 200, description = "The updated user", body = UserView,
        headers(("ETag" = String, description = "The user's version")))))]
#[patch("/v1/users/{user_id}")]
pub(super) async fn update_user(
    ctx: Ctx<UsersManage>,
    path: Path<UserPath>,
    body: MergePatch<UpdateUser>,
) -> Reply<Tagged<UserView>> {
    let UpdateUser {
        name: new_name,
        role,
        admin,
        disabled,
    } = body.0;
    let mut faults = vec![];
    let name = new_name.map(|text| name(&text, &mut faults));
    refuse(faults)?;

    let tx = ctx.begin().await?;
    lock_accounts(&tx).await?;
    let known = users::get(&tx, path.0.user_id).await?;
    ctx.check_if_match(known.version)?;
    refuse_admins(&ctx, known.role, known.admin)?;
    if role.is_some() || admin.is_some() || disabled == Some(false) {
        check_rights(&ctx, role.unwrap_or(known.role), admin.unwrap_or(known.admin))?;
    }
    let others = users::other_admins(&tx, known.id).await?;
    let edit = UserEdit {
        name,
        role,
        admin,
        disabled,
    };
    let (user, change) = known
        .edit(edit, others, ctx.now())
        .map_err(|LastAdmin| Problem::new(Code::LastAdmin))?;
    if change.is_some() {
        store::write_records(&tx, change).await?;
        store::routing::look_at(&tx, [ctx.now()]).await?;
        if user.disabled_at.is_some() {
            sessions::revoke_all(&tx, user.id, None).await?;
            invitations::withdraw(&tx, user.id).await?;
        }
    }
    let answer = Tagged::new(etag(user.version, 0), user.into());
    let answer = ctx.commit(tx, answer).await;
    ctx.part::<Gate>().forget();
    answer
}

/// Create a token by which a user sets a new password.
///
/// The token is shown once and valid for one day; hand it to the user. Earlier tokens stop working. The old password
/// works until the token is used. A key cannot reset a user with scopes that it lacks itself.
#[utoipa::path(tag = "users", security(("bearer" = [UsersManage])), params(UserPath),
    responses((status = 201, description = "The token", body = ResetTokenView,
        headers(("Location" = String, description = "The URL of the user"))),
        (status = 409, description = "The user is disabled")))]
#[post("/v1/users/{user_id}/reset-token")]
pub(super) async fn create_reset_token(
    ctx: Ctx<UsersManage>,
    path: Path<UserPath>,
) -> Reply<Created<ResetTokenView>> {
    let tx = ctx.begin().await?;
    lock_accounts(&tx).await?;
    let user = users::get(&tx, path.0.user_id).await?;
    check_rights(&ctx, user.role, user.admin)?;
    if user.disabled_at.is_some() {
        return Err(Problem::new(Code::Conflict).detail("The user is disabled"));
    }
    let expires_at = ctx.now().plus_millis(RESET);
    let reset_token = Some(invite(&tx, user.id, expires_at).await?);
    let user_id = user.id;
    store::write_records(&tx, [AccessChange::ResetTokenCreated { user_id, expires_at }]).await?;
    let answer = Created::at(
        format!("/v1/users/{}", user.id),
        ResetTokenView {
            reset_token,
            expires_at,
        },
    );
    ctx.commit(tx, answer.shown_once(&["reset_token"])).await
}

/// Refuse a key that deals with an admin, on whosever behalf.
fn refuse_admins(ctx: &Ctx<UsersManage>, role: Role, admin: bool) -> Result<(), Problem> {
    let is_admin = admin || role == Role::Admin;
    if is_admin && matches!(ctx.actor(), Actor::Key { .. }) {
        return Err(Problem::new(Code::WrongRole).detail("A key cannot create, change or reset an admin"));
    }
    Ok(())
}

/// Refuse a key that would get rights by a user which it does not have itself: it learns the token by which the user logs
/// in.
fn check_rights(ctx: &Ctx<UsersManage>, role: Role, admin: bool) -> Result<(), Problem> {
    refuse_admins(ctx, role, admin)?;
    if !matches!(ctx.actor(), Actor::Key { .. }) {
        return Ok(());
    }
    let mut needed = role.scopes().filter(|scope| *scope != Scope::Account);
    needed.try_for_each(|scope| ctx.demand(scope))
}

/// Give a user a one-time token.
async fn invite(tx: &store::Tx, user: UserId, expires_at: Timestamp) -> Result<String, Problem> {
    let token = OneTimeToken::generate();
    invitations::add(tx, user, hex(&token.hash()), expires_at).await?;
    Ok(token.reveal().to_owned())
}
